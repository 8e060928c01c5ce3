#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { sealdb::fuzz_root(bytes) });
