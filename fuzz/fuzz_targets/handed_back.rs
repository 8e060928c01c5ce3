#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { sealdb_model::fuzzing::fuzz_handed_back(bytes) });
