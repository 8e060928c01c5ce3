//! The keyring: list, describe, backup, restore, reroot. And that a server opens what these commands left.

use std::fs;

use sealdb_tests::server::Home;

#[test]
fn keys_are_listed_and_described() {
    let home = Home::new();
    let _server = home.start();
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let listed = home.sealdb(&["key", "list", "--keyring", keyring]).ok();
    for part in ["alias/sealdb/system", "alias/sealdb/default"] {
        assert!(listed.contains(part), "{part} in\n{listed}");
    }
    let keys = home
        .sealdb(&["key", "list", "--keyring", keyring, "--json"])
        .json();
    let id = keys["Keys"][0]["KeyId"].as_str().unwrap();
    let described = home
        .sealdb(&["key", "describe", id, "--keyring", keyring, "--json"])
        .json();
    assert_eq!(described["KeyId"], id);
    let shown = home
        .sealdb(&[
            "key",
            "describe",
            "alias/sealdb/default",
            "--keyring",
            keyring,
        ])
        .ok();
    assert!(
        shown.contains("enabled") || shown.contains("Enabled"),
        "{shown}"
    );
    let said = home
        .sealdb(&["key", "describe", "alias/none", "--keyring", keyring])
        .refused(1);
    assert!(said.contains("alias/none"), "{said}");
    let said = home.sealdb(&["key", "list"]).refused(2);
    assert!(said.contains("--keyring"), "{said}");
    let said = home
        .sealdb(&["key", "list", "--keyring", "nowhere"])
        .refused(2);
    assert!(said.contains("--root-key-file"), "{said}");
}

#[test]
fn a_backup_is_restored_and_the_database_opens_again() {
    let home = Home::new();
    let server = home.start();
    home.table_of_one();
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let backup = home.path().join("keyring.backup");
    let backup = backup.to_str().unwrap();
    home.sealdb(&["key", "backup", backup, "--keyring", keyring])
        .ok();
    let said = home
        .sealdb(&["key", "backup", backup, "--keyring", keyring])
        .refused(1);
    assert!(said.contains(backup), "nothing is overwritten: {said}");
    let said = home
        .sealdb(&["key", "restore", backup, "--keyring", keyring])
        .refused(1);
    assert!(
        said.contains("keyring"),
        "a keyring that is there is not replaced: {said}"
    );
    server.kill();

    // The root key was kept elsewhere, the keyring is lost.
    fs::rename(
        home.keyring_dir().join("root.key"),
        home.path().join("root.key"),
    )
    .unwrap();
    fs::remove_dir_all(home.keyring_dir()).unwrap();
    let root = home.path().join("root.key");
    let root = root.to_str().unwrap();
    home.sealdb(&[
        "key",
        "restore",
        backup,
        "--keyring",
        keyring,
        "--root-key-file",
        root,
    ])
    .ok();
    let server = home.start_with(&["--root-key-file", root]);
    assert_eq!(home.sealdb(&["scan", "table", "--count"]).ok(), "1\n");
    assert!(server.terminate().success());
}

#[test]
fn reroot_changes_what_opens_the_keyring_and_no_data() {
    let home = Home::new();
    let server = home.start();
    home.table_of_one();
    assert!(server.terminate().success());
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let new = home.path().join("new.key");
    let new = new.to_str().unwrap();
    let said = home
        .sealdb(&[
            "key",
            "reroot",
            "--keyring",
            keyring,
            "--new-root-key-file",
            new,
        ])
        .ok();
    assert!(said.contains("new.key"), "{said}");
    let said = home
        .sealdb(&["key", "list", "--keyring", keyring])
        .refused(1);
    assert!(
        said.contains("root key"),
        "the old one opens no more: {said}"
    );
    let server = home.start_with(&["--root-key-file", new]);
    assert_eq!(home.sealdb(&["scan", "table", "--count"]).ok(), "1\n");
    assert!(server.terminate().success());

    // To a passphrase, from the tests' environment variable.
    let mut command = home.command("sealdb");
    command
        .args([
            "key",
            "reroot",
            "--keyring",
            keyring,
            "--root-key-file",
            new,
            "--new-passphrase",
        ])
        .env("SEALDB_PASSPHRASE", "correct horse battery staple");
    sealdb_tests::server::run(command, "").ok();
    let mut command = home.command("sealdb");
    command
        .args(["key", "list", "--keyring", keyring])
        .env("SEALDB_PASSPHRASE", "wrong horse");
    let said = sealdb_tests::server::run(command, "").refused(1);
    assert!(
        said.contains("passphrase") || said.contains("root key"),
        "{said}"
    );
    let mut command = home.command("sealdb");
    command
        .args(["key", "list", "--keyring", keyring])
        .env("SEALDB_PASSPHRASE", "correct horse battery staple");
    assert!(
        sealdb_tests::server::run(command, "")
            .ok()
            .contains("alias/sealdb/default")
    );
}
