#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { sealdb_proto::json_api::fuzz_json_request(bytes) });
