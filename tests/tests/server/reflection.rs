//! A generic client learns the service from the server alone, as grpcurl does.

use std::collections::BTreeSet;
use std::process::Command;

use prost::Message;
use sealdb_tests::raw::{Raw, authorization};
use sealdb_tests::server::{Home, run};
use tonic::{Request, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

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
    for symbol in [
        "sealdb.v1.SealDb",
        "sealdb.v1.SealDb.PutItem",
        "sealdb.v1.PutItemRequest",
        "sealdb.v1.AttributeValue",
        "grpc.health.v1.Health",
    ] {
        let question = MessageRequest::FileContainingSymbol(symbol.to_owned());
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
                let methods: Vec<&str> = file.service[0]
                    .method
                    .iter()
                    .map(|method| method.name())
                    .collect();
                assert_eq!(methods.len(), 10, "{methods:?}");
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
    home.sealdb(&["table", "create", "airports", "--pk", "country:S"])
        .ok();
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

/// The lines that `sealdb endpoint` prints, where grpcurl is installed.
#[tokio::test]
async fn grpcurl_works_where_it_is_installed() {
    if Command::new("grpcurl").arg("-version").output().is_err() {
        println!("grpcurl is not installed: the lines of `sealdb endpoint` were not run");
        return;
    }
    let home = Home::new();
    let server = home.start();
    let header = format!(
        "authorization: {}",
        authorization(&server.endpoint).to_str().unwrap()
    );
    let grpcurl = |args: &[&str]| {
        let mut command = Command::new("grpcurl");
        command.args(["-insecure", "-H", &header]).args(args);
        run(command, "").ok()
    };
    let listed = grpcurl(&[server.address(), "list"]);
    assert!(listed.contains("sealdb.v1.SealDb"), "{listed}");
    let tables = grpcurl(&["-d", "{}", server.address(), "sealdb.v1.SealDb/ListTables"]);
    assert_eq!(tables.trim(), "{}");
}
