#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { sealdb::fuzz_catalog_record(bytes) });
