#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { sealdb_crypto::fuzzing::fuzz_keyring(bytes) });
