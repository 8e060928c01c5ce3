//! AWS's own clients against a real server: boto3, the AWS CLI, the JavaScript and the Rust client, unchanged. `scripts/test` installs them.
// Tests of real processes wait on the real clock, and say what they could not run.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sealdb_tests::dynamodb::{serve, tool};
use sealdb_tests::server::{Home, Ran, Server, run_within};
use serde_json::{Value, json};

/// A script may take so long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a client in an environment that leads it to the server.
fn client(program: &Path, server: &Server, address: &str, home: &Home, args: &[&str]) -> Ran {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("AWS_ENDPOINT_URL_DYNAMODB", address)
        .env("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", address)
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        // The SDK for JavaScript knows this name only.
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", &server.endpoint.access_key_id)
        .env(
            "AWS_SECRET_ACCESS_KEY",
            server.endpoint.secret_access_key.expose(),
        )
        .env("AWS_CA_BUNDLE", home.run_dir().join("tls.crt"))
        .env("AWS_PAGER", "")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(home.path());
    run_within(command, "", PATIENCE)
}

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn boto3_finds_dynamodb() {
    let Some(python) = tool("aws/bin/python3") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    let ran = client(
        &python,
        &server,
        &address,
        &home,
        &[&script("boto3_client.py")],
    );
    assert_eq!(ran.ok().trim(), "all is well");
}

#[test]
fn boto3_looks_after_tables() {
    let Some(python) = tool("aws/bin/python3") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    let script = script("boto3_tables.py");
    let ran = client(&python, &server, &address, &home, &[&script]);
    assert_eq!(ran.ok().trim(), "all is well");
}

#[test]
fn answers_are_the_services_word_for_word() {
    let Some(python) = tool("aws/bin/python3") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    let script = script("answers");
    let ran = client(&python, &server, &address, &home, &[&script]);
    assert_eq!(ran.ok().trim(), "all is well");
}

#[test]
fn boto3_checks_the_certificate_of_tls() {
    let Some(python) = tool("aws/bin/python3") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &[]);
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");
    let list = "import boto3; print(boto3.client('dynamodb').list_tables()['TableNames'])";
    let ran = client(&python, &server, &address, &home, &["-c", list]);
    assert_eq!(ran.ok().trim(), "[]");
}

#[test]
fn the_javascript_client_finds_dynamodb() {
    let Some(modules) = tool("javascript/node_modules") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    // Modules are looked for beside the script and above it.
    let here = modules.with_file_name("client.mjs");
    std::fs::copy(script("javascript/client.mjs"), &here).unwrap();
    let here = here.to_str().unwrap();
    let ran = client(Path::new("node"), &server, &address, &home, &[here]);
    assert_eq!(ran.ok().trim(), "all is well");
}

/// `scripts/test` builds the program, as its crates come from the network.
#[test]
fn the_rust_client_finds_dynamodb() {
    let Some(program) = tool("rust/debug/sealdb-aws-client") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    let ran = client(&program, &server, &address, &home, &[]);
    assert_eq!(ran.ok().trim(), "all is well");
}

/// The AWS CLI, and the server that it is led to.
struct AwsCli {
    aws: PathBuf,
    home: Home,
    server: Server,
    address: String,
}

impl AwsCli {
    fn new() -> Option<AwsCli> {
        let aws = tool("aws/bin/aws")?;
        let home = Home::new();
        let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
        Some(AwsCli {
            aws,
            home,
            server,
            address,
        })
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.service("dynamodb", args)
    }

    fn service(&self, service: &str, args: &[&str]) -> Ran {
        let all = [&[service], args].concat();
        client(&self.aws, &self.server, &self.address, &self.home, &all)
    }

    /// The answer to one command, with options that are JSON.
    fn json(&self, command: &str, options: &[(&str, Value)]) -> Value {
        let mut args = vec![command.to_owned()];
        for (name, value) in options {
            args.push(format!("--{name}"));
            args.push(match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            });
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let answer = self.run(&args).ok();
        match answer.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap(),
        }
    }

    fn airports(&self) {
        self.run(&[
            "create-table",
            "--table-name",
            "airports",
            "--attribute-definitions",
            "AttributeName=country,AttributeType=S",
            "AttributeName=icao,AttributeType=S",
            "--key-schema",
            "AttributeName=country,KeyType=HASH",
            "AttributeName=icao,KeyType=RANGE",
            "--billing-mode",
            "PAY_PER_REQUEST",
            "--tags",
            "Key=owner,Value=me",
        ])
        .ok();
        self.run(&["wait", "table-exists", "--table-name", "airports"])
            .ok();
    }
}

#[test]
fn the_aws_command_line_reads_and_writes_items() {
    let Some(aws) = AwsCli::new() else { return };
    aws.airports();
    let table = || ("table-name", json!("airports"));
    for icao in ["BIRK", "BIKF"] {
        let item = json!({"country": {"S": "IS"}, "icao": {"S": icao}});
        aws.json("put-item", &[table(), ("item", item)]);
    }
    let values = ("expression-attribute-values", json!({":c": {"S": "IS"}}));
    let condition = ("key-condition-expression", json!("country = :c"));
    let found = aws.json(
        "query",
        &[table(), condition, values, ("page-size", json!(1))],
    );
    assert_eq!(found["Count"], 2);
    let key = json!({"country": {"S": "IS"}, "icao": {"S": "BIRK"}});
    let updated = aws.json(
        "update-item",
        &[
            table(),
            ("key", key.clone()),
            ("update-expression", json!("SET elevation = :e")),
            ("expression-attribute-values", json!({":e": {"N": "48"}})),
            ("return-values", json!("ALL_NEW")),
            ("return-consumed-capacity", json!("TOTAL")),
        ],
    );
    assert_eq!(updated["Attributes"]["elevation"], json!({"N": "48"}));
    assert_eq!(updated["ConsumedCapacity"]["CapacityUnits"], 1.0);
    let got = aws.json("get-item", &[table(), ("key", key.clone())]);
    assert_eq!(got["Item"]["elevation"], json!({"N": "48"}));
    let filter = ("filter-expression", json!("attribute_exists(elevation)"));
    assert_eq!(aws.json("scan", &[table(), filter])["Count"], 1);

    let other = json!({"country": {"S": "AT"}, "icao": {"S": "LOWW"}});
    let writes = json!({"airports": [{"PutRequest": {"Item": other}}]});
    let batch = aws.json("batch-write-item", &[("request-items", writes)]);
    assert_eq!(batch["UnprocessedItems"], json!({}));
    let keys = json!({"airports": {"Keys": [key, other]}});
    let got = aws.json("batch-get-item", &[("request-items", keys)]);
    assert_eq!(got["Responses"]["airports"].as_array().unwrap().len(), 2);
    let actions = json!([
        {"Delete": {"TableName": "airports", "Key": other}},
        {"ConditionCheck": {"TableName": "airports", "Key": key, "ConditionExpression": "elevation = :e",
            "ExpressionAttributeValues": {":e": {"N": "48"}}}}]);
    aws.json("transact-write-items", &[("transact-items", actions)]);
    let gets = json!([{"Get": {"TableName": "airports", "Key": other}}, {"Get": {"TableName": "airports", "Key": key}}]);
    let got = aws.json("transact-get-items", &[("transact-items", gets)]);
    assert_eq!(got["Responses"][0], json!({}));
    assert_eq!(got["Responses"][1]["Item"]["elevation"], json!({"N": "48"}));
    let statement = json!("SELECT icao FROM airports WHERE country = 'IS' AND elevation > 5");
    let read = aws.json("execute-statement", &[("statement", statement)]);
    assert_eq!(read["Items"], json!([{"icao": {"S": "BIRK"}}]));
    let gone = aws.json(
        "delete-item",
        &[table(), ("key", key), ("return-values", json!("ALL_OLD"))],
    );
    assert_eq!(gone["Attributes"]["icao"], json!({"S": "BIRK"}));
}

#[test]
fn the_aws_command_line_looks_after_tables() {
    let Some(aws) = AwsCli::new() else { return };
    aws.airports();
    let table = || ("table-name", json!("airports"));
    let described = aws.json("describe-table", &[table()])["Table"].take();
    assert_eq!(described["TableStatus"], "ACTIVE");
    let arn = ("resource-arn", described["TableArn"].clone());
    let tags = aws.json("list-tags-of-resource", std::slice::from_ref(&arn));
    assert_eq!(tags["Tags"], json!([{"Key": "owner", "Value": "me"}]));
    let keys = ("tag-keys", json!(["owner"]));
    aws.json("untag-resource", &[arn.clone(), keys]);
    let tag = ("tags", json!([{"Key": "cost", "Value": "low"}]));
    aws.json("tag-resource", &[arn.clone(), tag]);
    let tags = aws.json("list-tags-of-resource", &[arn]);
    assert_eq!(tags["Tags"], json!([{"Key": "cost", "Value": "low"}]));
    let specification = json!({"Enabled": true, "AttributeName": "until"});
    aws.json(
        "update-time-to-live",
        &[table(), ("time-to-live-specification", specification)],
    );
    let ttl = aws.json("describe-time-to-live", &[table()]);
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "until");
    let class = ("table-class", json!("STANDARD_INFREQUENT_ACCESS"));
    let updated = aws.json("update-table", &[table(), class]);
    assert_eq!(updated["TableDescription"]["TableStatus"], "UPDATING");
    let stream = json!({"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"});
    let updated = aws.json("update-table", &[table(), ("stream-specification", stream)]);
    let stream = updated["TableDescription"]["LatestStreamArn"].clone();
    let streams = aws.service("dynamodbstreams", &["list-streams"]).json()["Streams"].take();
    assert_eq!(streams[0]["StreamArn"], stream);
    let missing = aws.run(&["describe-table", "--table-name", "nowhere"]);
    assert!(
        missing.stderr.contains("ResourceNotFoundException"),
        "{}",
        missing.stderr
    );
    assert_eq!(
        aws.json("list-tables", &[])["TableNames"],
        json!(["airports"])
    );
    aws.json("delete-table", &[table()]);
    aws.run(&["wait", "table-not-exists", "--table-name", "airports"])
        .ok();
}
