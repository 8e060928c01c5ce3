//! Compiles the .proto files with protox, which is pure Rust: no protoc is needed.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(["proto/sealdb/v1/sealdb.proto", "proto/sealdb/v1/key.proto"])?;

    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("sealdb_v1_descriptor.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    tonic_prost_build::configure()
        // These carry data, or names of attributes: their Debug is written by hand and prints lengths only.
        .skip_debug([
            ".sealdb.v1.AttributeValue",
            ".sealdb.v1.MapValue",
            ".sealdb.v1.ListValue",
            ".sealdb.v1.StringSet",
            ".sealdb.v1.NumberSet",
            ".sealdb.v1.BinarySet",
            ".sealdb.v1.AttributeDefinition",
            ".sealdb.v1.KeySchemaElement",
            ".sealdb.v1.Projection",
            ".sealdb.v1.LocalSecondaryIndex",
            ".sealdb.v1.GlobalSecondaryIndex",
            ".sealdb.v1.LocalSecondaryIndexDescription",
            ".sealdb.v1.GlobalSecondaryIndexDescription",
            ".sealdb.v1.ConsumedCapacity",
            ".sealdb.v1.Tag",
            ".sealdb.v1.UntagResourceRequest",
            ".sealdb.v1.TimeToLiveSpecification",
            ".sealdb.v1.DescribeTimeToLiveResponse",
            ".sealdb.v1.UpdateGlobalSecondaryIndex",
            ".sealdb.v1.GlobalSecondaryIndexUpdate",
            ".sealdb.v1.PutItemRequest",
            ".sealdb.v1.GetItemRequest",
            ".sealdb.v1.DeleteItemRequest",
            ".sealdb.v1.UpdateItemRequest",
            ".sealdb.v1.QueryRequest",
            ".sealdb.v1.ScanRequest",
            ".sealdb.v1.KeysAndAttributes",
            ".sealdb.v1.TransactGet",
            ".sealdb.v1.ConditionCheck",
            ".sealdb.v1.TransactPut",
            ".sealdb.v1.TransactDelete",
            ".sealdb.v1.TransactUpdate",
            ".sealdb.v1.TransactWriteItemsRequest",
            ".sealdb.v1.CancellationReason",
            ".sealdb.v1.StreamRecord",
            ".sealdb.v1.ExecuteStatementRequest",
            ".sealdb.v1.ExecuteStatementResponse",
            ".sealdb.v1.BatchStatementRequest",
            ".sealdb.v1.BatchStatementError",
            ".sealdb.v1.ParameterizedStatement",
            ".sealdb.v1.ExecuteTransactionRequest",
        ])
        // The model's maps are ordered.
        .btree_map(".")
        // Undecodable bytes are the caller's fault, not an internal error.
        .codec_path("crate::codec::WireCodec")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
