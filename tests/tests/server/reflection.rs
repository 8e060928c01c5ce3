//! A generic client learns the service from the server alone, as grpcurl does.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use prost::Message;
use sealdb_tests::raw::Raw;
use sealdb_tests::server::{Home, run};
use tonic::{Request, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::wire::OPERATIONS;

async fn ask(raw: &Raw, question: MessageRequest) -> Result<MessageResponse, Status> {
    let mut client = ServerReflectionClient::new(raw.channel.clone());
    let message = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let mut request = Request::new(tokio_stream::once(message));
    if let Some(authorization) = &raw.authorization {
        request
            .metadata_mut()
            .insert("authorization", authorization.clone());
    }
    let mut answers = client.server_reflection_info(request).await?.into_inner();
    let answer: ServerReflectionResponse = answers.message().await?.unwrap();
    Ok(answer.message_response.unwrap())
}

#[tokio::test]
async fn services_methods_and_messages_are_told() {
    let home = Home::new();
    let server = home.start();
    let raw = Raw::connect(&home, &server).await;
    let MessageResponse::ListServicesResponse(listed) =
        ask(&raw, MessageRequest::ListServices(String::new()))
            .await
            .unwrap()
    else {
        panic!("no list");
    };
    let services: BTreeSet<String> = listed
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for name in ["sealdb.v1.SealDb", "grpc.health.v1.Health"] {
        assert!(services.contains(name), "{name} in {services:?}");
    }
    // Every name of the service leads to a file that defines it, and its imports can be asked for.
    let mut files = BTreeSet::new();
    let methods = OPERATIONS.map(|operation| format!("sealdb.v1.SealDb.{operation}"));
    let others = [
        "sealdb.v1.SealDb",
        "sealdb.v1.PutItemRequest",
        "sealdb.v1.TransactWriteItemsRequest",
        "sealdb.v1.AttributeValue",
        "grpc.health.v1.Health",
    ];
    for symbol in methods.into_iter().chain(others.map(str::to_owned)) {
        let question = MessageRequest::FileContainingSymbol(symbol.clone());
        let MessageResponse::FileDescriptorResponse(found) = ask(&raw, question).await.unwrap()
        else {
            panic!("no file for {symbol}");
        };
        for file in found.file_descriptor_proto {
            let file = prost_types::FileDescriptorProto::decode(&*file).unwrap();
            for import in &file.dependency {
                let question = MessageRequest::FileByFilename(import.clone());
                let answer = ask(&raw, question).await.unwrap();
                assert!(
                    matches!(answer, MessageResponse::FileDescriptorResponse(_)),
                    "{import}"
                );
            }
            if file
                .service
                .iter()
                .any(|service| service.name() == "SealDb")
            {
                let methods = file.service[0].method.iter();
                let methods: BTreeSet<&str> = methods.map(|method| method.name()).collect();
                assert_eq!(methods, BTreeSet::from(OPERATIONS));
            }
            files.insert(file.name().to_owned());
        }
    }
    assert!(
        files.contains("sealdb/v1/sealdb.proto") && files.contains("sealdb/v1/value.proto"),
        "{files:?}"
    );
    // tonic answers with a status, others with an answer that holds an error.
    let question = MessageRequest::FileContainingSymbol("sealdb.v1.Nothing".to_owned());
    match ask(&raw, question).await {
        Err(status) => assert_eq!(status.code(), tonic::Code::NotFound),
        Ok(answer) => assert!(matches!(answer, MessageResponse::ErrorResponse(_))),
    }
}

/// Builds a call from nothing but what reflection tells: the field numbers come from the descriptors.
#[tokio::test]
async fn a_call_made_from_the_descriptors_alone_works() {
    let home = Home::new();
    let server = home.start();
    let raw = Raw::connect(&home, &server).await;
    home.table("airports", &["country:S"]);
    let question =
        MessageRequest::FileContainingSymbol("sealdb.v1.DescribeTableRequest".to_owned());
    let MessageResponse::FileDescriptorResponse(found) = ask(&raw, question).await.unwrap() else {
        panic!("no file");
    };
    let message = found
        .file_descriptor_proto
        .iter()
        .flat_map(|file| {
            prost_types::FileDescriptorProto::decode(&**file)
                .unwrap()
                .message_type
        })
        .find(|message| message.name() == "DescribeTableRequest")
        .unwrap();
    let number = message
        .field
        .iter()
        .find(|field| field.name() == "table_name")
        .unwrap()
        .number();
    let mut bytes = vec![(number as u8) << 3 | 2, 8];
    bytes.extend(b"airports");
    let answer = raw.call("DescribeTable", bytes).await.unwrap();
    assert!(answer.windows(8).any(|window| window == b"airports"));
}

/// The lines that `sealdb endpoint` prints, run by a shell as they are printed, where grpcurl is installed: on the path, or by
/// `scripts/setup` in `.tools`.
#[tokio::test]
async fn the_printed_lines_work_with_grpcurl_where_it_is_installed() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools");
    let path = std::env::var("PATH").unwrap_or_default();
    let with = |secret: &str, line: &str| {
        let mut command = Command::new("sh");
        command
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("SEALDB_SECRET", secret)
            .args(["-c", line]);
        run(command, "")
    };
    if with("", "command -v grpcurl").code != Some(0) {
        println!("SKIPPED: grpcurl is not installed, the lines of `sealdb endpoint` were not run");
        return;
    }
    let home = Home::new();
    let server = home.start();
    let secret = server.endpoint.secret_access_key.expose();
    let shell = |line: &str| with(secret, line).ok();
    for shown in [&["endpoint"][..], &["endpoint", "--show-secret"]] {
        let printed = home.sealdb(shown).ok();
        let lines: Vec<&str> = printed
            .lines()
            .filter(|line| line.starts_with("grpcurl"))
            .collect();
        let answer = |part: &str| {
            let line = lines
                .iter()
                .find(|line| line.contains(part))
                .unwrap_or_else(|| panic!("{part} in {printed}"));
            shell(line)
        };
        let listed = answer(" list ");
        assert!(listed.contains("sealdb.v1.SealDb.PutItem"), "{listed}");
        let described = answer(" describe ");
        assert!(described.contains("table_name"), "{described}");
        assert_eq!(answer("/ListTables").trim(), "{}");
        assert!(answer("Health/Check").contains("SERVING"));
        // All lines that are printed have been run.
        assert_eq!(lines.len(), 4, "{printed}");
    }

    // And what one types next.
    home.table("airports", &["icao:S"]);
    let printed = home.sealdb(&["endpoint"]).ok();
    let line = printed
        .lines()
        .find(|line| line.contains("/ListTables"))
        .unwrap();
    let call = |operation: &str, message: &str| {
        let line = line
            .replace("'{}'", &format!("'{message}'"))
            .replace("/ListTables", operation);
        shell(&line)
    };
    assert!(call("/ListTables", "{}").contains("airports"));
    let item = r#"{"table_name": "airports", "item": {"names": ["icao", "runways"], "values": [{"s": "BIRK"}, {"n": "3"}]}}"#;
    call("/PutItem", item);
    let key =
        r#"{"table_name": "airports", "key": {"names": ["icao"], "values": [{"s": "BIRK"}]}}"#;
    let got = call("/GetItem", key);
    assert!(
        got.contains("BIRK") && got.contains("runways") && got.contains("\"3\""),
        "{got}"
    );
    let names = r#""key": {"names": ["icao"], "values": [{"s": "BIRK"}]}"#;
    let one = r#""expression_attribute_values": {"names": [":n"], "values": [{"n": "1"}]}"#;
    let update = format!(
        r#"{{"table_name": "airports", {names}, "update_expression": "SET runways = runways + :n", {one},
            "return_values": "RETURN_VALUE_UPDATED_NEW"}}"#
    );
    let updated = call("/UpdateItem", &update);
    assert!(updated.contains("\"4\""), "{updated}");
    let put = r#"{"put": {"table_name": "airports", "item": {"names": ["icao"], "values": [{"s": "BIKF"}]}}}"#;
    let check = format!(
        r#"{{"condition_check": {{"table_name": "airports", {names}, "condition_expression": "runways > :n", {one}}}}}"#
    );
    call(
        "/TransactWriteItems",
        &format!(r#"{{"transact_items": [{put}, {check}]}}"#),
    );
    let keys = r#"{"names": ["icao"], "values": [{"s": "BIKF"}]}, {"names": ["icao"], "values": [{"s": "none"}]}"#;
    let batch = format!(r#"{{"request_items": {{"airports": {{"keys": [{keys}]}}}}}}"#);
    let found = call("/BatchGetItem", &batch);
    assert!(found.contains("BIKF") && !found.contains("none"), "{found}");
    let query = r#"{"table_name": "airports", "key_condition_expression": "icao = :i",
        "expression_attribute_values": {"names": [":i"], "values": [{"s": "BIRK"}]}}"#;
    assert!(call("/Query", query).contains("\"count\": 1"));
    assert_eq!(home.sealdb(&["scan", "airports", "--count"]).ok(), "2\n");
}
