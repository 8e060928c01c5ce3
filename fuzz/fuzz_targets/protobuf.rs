#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { sealdb_proto::fuzz_protobuf(bytes) });
