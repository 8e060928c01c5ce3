//! Providers as settings of the server.

use sealdb_tests::server::Home;

use crate::vault::OfVault;

#[test]
fn a_server_keeps_a_table_under_a_key_of_vault() {
    let Some(vault) = OfVault::start(false) else {
        return;
    };
    let token = vault.token_file();
    let flags = ["--kms-vault", vault.url(), "--kms-vault-token-file", &token];
    let home = Home::new();
    let server = home.start_with(&flags);
    let create = |table: &str, key: &str| {
        home.sealdb(&["table", "create", table, "--pk", "pk:S", "--kms-key", key])
    };
    create("films", "vault:transit/one").ok();
    let said = create("songs", "arn:aws:kms:eu-central-1:111122223333:key/1").refused(1);
    assert!(said.contains("not registered"), "{said}");
    home.sealdb(&["item", "put", "films", r#"{"pk": "a"}"#])
        .ok();
    server.terminate();

    let server = home.start_with(&flags);
    let got = home.sealdb(&["item", "get", "films", "--pk", "a"]).ok();
    assert!(got.contains('a'), "{got}");
    server.terminate();

    // Without its provider that table is closed, and says why; the server runs.
    let server = home.start();
    let described = home.sealdb(&["table", "describe", "films"]).ok();
    assert!(described.contains("INACCESSIBLE"), "{described}");
    server.terminate();
}

#[test]
fn a_provider_that_cannot_be_set_up_is_refused_by_name() {
    let home = Home::new();
    std::fs::write(home.path().join("token"), "t").unwrap();
    for (flags, expected) in [
        (
            vec![
                "--kms-vault",
                "http://vault.example",
                "--kms-vault-token-file",
                "token",
            ],
            "https://",
        ),
        (
            vec!["--kms-aws", "eu-central-1,eu-central-1"],
            "registered already",
        ),
        (
            vec![
                "--kms-pkcs11",
                "pkcs11:token=t?module-path=/nonexistent.so&pin-source=file:token",
            ],
            "/nonexistent.so does not start",
        ),
    ] {
        let mut command = home.server_command();
        command.args(&flags);
        let ran = sealdb_tests::server::run(command, "");
        assert_ne!(ran.code, Some(0), "{flags:?}");
        assert!(ran.stderr.contains(expected), "{flags:?}: {}", ran.stderr);
    }
}
