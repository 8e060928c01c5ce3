#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { sealdb_server::dynamodb::fuzz_sigv4(bytes) });
