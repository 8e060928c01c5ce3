//! The access keys of a server: made, listed and revoked beside the running server, which follows within seconds.

use std::time::{Duration, Instant};

use sealdb_client::model::ErrorCode;
use sealdb_client::model::ops::ListTablesInput;
use sealdb_client::{Client, Endpoint};
use sealdb_proto::endpoint::EndpointFile;
use sealdb_tests::server::{Home, Server};

/// What `create --json` printed.
pub(crate) struct Made {
    pub(crate) id: String,
    secret: String,
}

pub(crate) fn create(home: &Home, option: [&str; 2]) -> Made {
    let mut line = vec!["credential", "create", "--data-dir", "data", "--json"];
    line.extend(option);
    let made = home.sealdb(&line).json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Made {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
    }
}

/// An endpoint file of this credential, as one would hand it to a client on another machine.
pub(crate) fn endpoint(home: &Home, server: &Server, made: &Made) -> std::path::PathBuf {
    let mut value: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.endpoint_file()).unwrap()).unwrap();
    value["access_key_id"] = made.id.clone().into();
    value["secret_access_key"] = made.secret.clone().into();
    let path = home.path().join(format!("{}.json", made.id));
    sealdb_tests::server::private_file(&path, value.to_string().as_bytes());
    let read = EndpointFile::read(&path).unwrap();
    assert_eq!(read.address, server.address());
    path
}

/// Asks until the answer is as wanted: a running server follows within a second, a busy machine takes longer.
async fn until(client: &Client, wanted: Result<(), ErrorCode>) {
    let begun = Instant::now();
    loop {
        let answer = client
            .list_tables(ListTablesInput::default())
            .await
            .map(|_| ())
            .map_err(|error| error.code());
        if answer == wanted {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{answer:?} is not {wanted:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_new_credential_works_and_a_revoked_one_does_not_even_on_an_open_connection() {
    let home = Home::new();
    let server = home.start();
    let (one, two) = (
        create(&home, ["--description", "one"]),
        create(&home, ["--description", "two"]),
    );
    let one_file = endpoint(&home, &server, &one);
    let client = Client::connect(Endpoint::from_file(&one_file).unwrap())
        .await
        .unwrap();
    until(&client, Ok(())).await;
    let other = Client::connect(Endpoint::from_file(endpoint(&home, &server, &two)).unwrap())
        .await
        .unwrap();
    until(&other, Ok(())).await;

    let said = home
        .sealdb(&["credential", "revoke", &one.id, "--data-dir", "data"])
        .ok();
    assert!(said.contains(&one.id), "{said}");
    // The connection was open and stays so; the credential on it counts no more.
    until(&client, Err(ErrorCode::UnrecognizedClientException)).await;
    let said = home
        .sealdb(&[
            "table",
            "list",
            "--endpoint-file",
            one_file.to_str().unwrap(),
        ])
        .refused(1);
    assert!(said.contains("UnrecognizedClientException"), "{said}");
    assert!(!said.contains("because"), "said twice: {said}");
    until(&other, Ok(())).await;

    let said = home
        .sealdb(&["credential", "revoke", &one.id, "--data-dir", "data"])
        .refused(1);
    assert!(said.contains(&one.id), "{said}");
    // It stays revoked over a restart, the other one stays good.
    assert!(server.terminate().success());
    let server = home.start();
    let refused = Client::connect(Endpoint::from_file(endpoint(&home, &server, &one)).unwrap())
        .await
        .unwrap();
    until(&refused, Err(ErrorCode::UnrecognizedClientException)).await;
    let other = Client::connect(Endpoint::from_file(endpoint(&home, &server, &two)).unwrap())
        .await
        .unwrap();
    until(&other, Ok(())).await;
}

#[tokio::test]
async fn a_secret_is_shown_once_and_stands_in_no_log() {
    let home = Home::new();
    let server = home.start_with(&["--log-level", "trace"]);
    let shown = home.sealdb(&[
        "credential",
        "create",
        "--data-dir",
        "data",
        "--description",
        "who asks \u{1b}[2J",
    ]);
    assert!(shown.stderr.contains("not shown again"), "{}", shown.stderr);
    let shown = shown.ok();
    let word = |line: &str| {
        shown
            .lines()
            .find_map(|l| l.trim().strip_prefix(line))
            .unwrap_or_else(|| panic!("{line} in {shown}"))
            .trim()
            .to_owned()
    };
    let made = Made {
        id: word("Access key id"),
        secret: word("Secret access key"),
    };
    assert_eq!(made.secret.len(), 43, "32 bytes in base64url");
    let client = Client::connect(Endpoint::from_file(endpoint(&home, &server, &made)).unwrap())
        .await
        .unwrap();
    until(&client, Ok(())).await;

    let listed = home
        .sealdb(&["credential", "list", "--data-dir", "data"])
        .ok();
    assert!(
        listed.contains(&made.id) && listed.contains("who asks \\u{1b}[2J"),
        "{listed}"
    );
    let value = home
        .sealdb(&["credential", "list", "--data-dir", "data", "--json"])
        .json();
    let keys = value["AccessKeys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "the endpoint file's and ours: {value}");
    assert_eq!(keys[1]["AccessKeyId"], made.id);
    assert_eq!(keys[1].as_object().unwrap().len(), 5, "{value}");
    assert!(
        keys[1]["CreateDate"].as_str().unwrap().ends_with('Z'),
        "{value}"
    );
    home.sealdb(&["credential", "revoke", &made.id, "--data-dir", "data"])
        .ok();
    until(&client, Err(ErrorCode::UnrecognizedClientException)).await;
    let trail = home
        .sealdb(&["audit", "tail", "--data-dir", "data", "--json"])
        .ok();

    let local = server.endpoint.secret_access_key.expose().to_owned();
    assert!(server.terminate().success());
    let log = home.log();
    assert!(log.contains(&made.id), "the public id is there: {log}");
    for (place, text) in [
        ("list", listed),
        ("list --json", value.to_string()),
        ("the log", log),
        ("the trail", trail),
    ] {
        for secret in [&made.secret, &local] {
            assert!(
                !text.contains(secret.as_str()),
                "a secret stands in {place}"
            );
        }
    }
    let sealed = std::fs::read(home.run_dir().join("credentials.seal")).unwrap();
    assert!(
        !sealed
            .windows(made.secret.len())
            .any(|window| window == made.secret.as_bytes())
    );
}

#[test]
fn the_servers_own_credential_is_replaced_when_it_is_revoked() {
    let home = Home::new();
    let server = home.start();
    let before = server.endpoint.access_key_id.clone();
    home.sealdb(&["credential", "revoke", &before, "--data-dir", "data"])
        .ok();
    let begun = Instant::now();
    while EndpointFile::read(&home.endpoint_file())
        .is_ok_and(|endpoint| endpoint.access_key_id == before)
    {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", home.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(home.sealdb(&["table", "list"]).ok(), "");
    let listed = home
        .sealdb(&["credential", "list", "--data-dir", "data"])
        .ok();
    assert!(!listed.contains(&before), "{listed}");
}

#[test]
fn without_the_right_directories_it_says_what_to_name() {
    let home = Home::new();
    let said = home
        .sealdb(&["credential", "list", "--data-dir", "nowhere"])
        .refused(1);
    assert!(said.contains("no database in nowhere"), "{said}");
    let server = home.start();
    assert!(server.terminate().success());
    let said = home
        .sealdb(&[
            "credential",
            "list",
            "--data-dir",
            "data",
            "--run-dir",
            "nowhere",
        ])
        .refused(2);
    assert!(said.contains("--run-dir"), "{said}");
    let said = home
        .sealdb(&[
            "credential",
            "list",
            "--data-dir",
            "data",
            "--keyring",
            "nowhere",
        ])
        .refused(2);
    assert!(
        said.contains("nowhere") && said.contains("--keyring"),
        "{said}"
    );
}
