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

/// Using keys changes the keyring: a backup is older than what the database has seen, though every key is in it.
#[test]
fn a_backup_from_before_changes_that_the_database_has_seen_is_taken_on_purpose() {
    let home = Home::new();
    let server = home.start();
    home.table_of_one();
    let key = |args: &[&str]| {
        let line = [&["key"], args, &["--keyring", "data.keyring"]].concat();
        home.sealdb(&line)
    };
    key(&["create", "--alias", "alias/early"]).ok();
    key(&["backup", "keyring.backup"]).ok();
    // The server hands the journal over to the trail.
    home.table("other", &["id:S"]);
    key(&["create", "--alias", "alias/late"]).ok();
    assert!(server.terminate().success());
    let file = home.keyring_dir().join("keyring.seal");
    fs::remove_file(&file).unwrap();

    key(&["restore", "keyring.backup"]).ok();
    let mut refused = home.spawn(&[]);
    assert!(!refused.wait().unwrap().success());
    let told = "sealdb key restore COPY --for DATA_DIR";
    assert!(home.log().contains(told), "{}", home.log());
    fs::remove_file(&file).unwrap();

    // Nothing is put in place for a database that it is not of.
    let theirs = Home::new();
    assert!(theirs.start().terminate().success());
    let place = theirs.data_dir();
    let place = place.to_str().unwrap();
    let said = key(&["restore", "keyring.backup", "--for", place]).refused(1);
    assert!(said.contains("the database belongs to keyring"), "{said}");
    assert!(!file.exists());

    let said = key(&["restore", "keyring.backup", "--for", "data"]).ok();
    assert!(said.contains("after the backup are missing"), "{said}");
    let server = home.start();
    assert_eq!(home.sealdb(&["scan", "table", "--count"]).ok(), "1\n");
    let keys = key(&["list"]).ok();
    assert!(keys.contains("alias/early") && !keys.contains("alias/late"));
    let search = "audit search --data-dir data --event RestoreKeyring --json";
    let search: Vec<&str> = search.split(' ').collect();
    let found = home.sealdb(&search).json();
    let detail = &found["event"]["additionalEventData"]["detail"];
    assert!(detail.as_str().unwrap().contains("in the place of change"));
    assert!(server.terminate().success());
    assert!(home.start().terminate().success(), "from then on as ever");
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

/// The life of one key, from its making to the end of its days, and the events that all of it leaves in the trail of a running server.
#[test]
fn a_key_is_administered_beside_a_running_server_and_its_trail_tells() {
    let home = Home::new();
    let _server = home.start();
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let key = |args: &[&str]| {
        let mut all = vec!["key"];
        all.extend(args);
        all.extend(["--keyring", keyring]);
        home.sealdb(&all)
    };
    let described = |name: &str| key(&["describe", name, "--json"]).json();
    key(&[
        "create",
        "--alias",
        "alias/orders",
        "--description",
        "of orders",
    ])
    .ok();
    let made = described("alias/orders");
    let id = made["KeyId"].as_str().unwrap();
    assert_eq!(
        (&made["KeyState"], &made["Origin"]),
        (&"Enabled".into(), &"SEALDB".into())
    );
    key(&["rotate", "alias/orders"]).ok();
    key(&["auto-rotate", "alias/orders", "--days", "90"]).ok();
    let rotated = described("alias/orders");
    assert_eq!(rotated["Versions"], 2);
    assert_eq!(rotated["RotationPeriodInDays"], 90);
    let said = key(&["auto-rotate", "alias/orders", "--days", "30"]).refused(1);
    assert!(said.contains("90 to 2560"), "{said}");
    key(&["alias", "create", "alias/archive", id]).ok();
    key(&["alias", "update", "alias/archive", "alias/orders"]).ok();
    key(&["alias", "delete", "alias/archive"]).ok();
    let said = key(&["alias", "delete", "alias/sealdb/default"]).refused(1);
    assert!(said.contains("own"), "{said}");
    let said = key(&["alias", "create", "orders", id]).refused(2);
    assert!(said.contains("alias/"), "{said}");

    key(&["disable", id]).ok();
    let create = [
        "table",
        "create",
        "orders",
        "--pk",
        "id:S",
        "--kms-key",
        "alias/orders",
    ];
    let said = home.sealdb(&create).refused(1);
    assert!(said.contains("disabled"), "{said}");
    key(&["enable", id]).ok();
    home.sealdb(&create).ok();
    let said = key(&["schedule-deletion", id, "--days", "6"]).refused(1);
    assert!(said.contains("7 to 30"), "{said}");
    let said = key(&["schedule-deletion", id, "--days", "7"]).ok();
    assert!(said.contains("cancel-deletion"), "{said}");
    let pending = described(id);
    assert_eq!(pending["KeyState"], "PendingDeletion");
    assert!(pending["DeletionDate"].is_string(), "{pending}");
    key(&["cancel-deletion", id]).ok();
    assert_eq!(described(id)["KeyState"], "Disabled");
    let said = key(&["cancel-deletion", id]).refused(1);
    assert!(said.contains("KMSInvalidStateException"), "{said}");

    // What would close or lose everything is asked for by name, or not done at all.
    let said = key(&["disable", "alias/sealdb/system"]).refused(2);
    assert!(said.contains("--close-everything"), "{said}");
    for own in ["alias/sealdb/system", "alias/sealdb/default"] {
        let said = key(&["schedule-deletion", own]).refused(1);
        assert!(said.contains("cannot be deleted"), "{said}");
    }

    // The server writes down what was done before it next uses any key.
    home.table("other", &["id:S"]);
    let trail = home
        .sealdb(&["audit", "tail", "--data-dir", "data", "-n", "1000"])
        .ok();
    let mut lines = trail.lines();
    for name in [
        "CreateKey",
        "RotateKeyOnDemand",
        "EnableKeyRotation",
        "CreateAlias",
        "UpdateAlias",
        "DeleteAlias",
        "DisableKey",
        "EnableKey",
        "ScheduleKeyDeletion",
        "CancelKeyDeletion",
    ] {
        let line = lines.find(|line| line.contains(&format!(" {name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} where it belongs in\n{trail}"));
        assert!(line.contains("uid:") && line.contains(id), "{line}");
    }
}

#[test]
fn own_material_is_imported_from_an_owner_only_file() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let _server = home.start();
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let file = home.path().join("material");
    fs::write(&file, [7; 32]).unwrap();
    let material = file.to_str().unwrap();
    let key = |args: &[&str]| {
        let mut all = vec!["key"];
        all.extend(args);
        all.extend(["--keyring", keyring]);
        home.sealdb(&all)
    };
    key(&["create", "--alias", "alias/mine", "--external"]).ok();
    let create = [
        "table",
        "create",
        "mine",
        "--pk",
        "id:S",
        "--kms-key",
        "alias/mine",
    ];
    let said = home.sealdb(&create).refused(1);
    assert!(said.contains("no material"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let import = [
        "import",
        "alias/mine",
        "--material",
        material,
        "--valid-days",
        "10",
    ];
    let said = key(&import).refused(1);
    assert!(said.contains("chmod 600"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    key(&import).ok();
    home.sealdb(&create).ok();
    let shown = key(&["describe", "alias/mine"]).ok();
    assert!(
        shown.contains("EXTERNAL") && shown.contains("Expires"),
        "{shown}"
    );
    key(&["delete-material", "alias/mine"]).ok();
    let described = key(&["describe", "alias/mine", "--json"]).json();
    assert_eq!(described["KeyState"], "PendingImport");
    fs::write(&file, [8; 32]).unwrap();
    let said = key(&["import", "alias/mine", "--material", material]).refused(1);
    assert!(said.contains("other material"), "{said}");
    fs::write(&file, "07".repeat(32)).unwrap();
    key(&["import", "alias/mine", "--material", material]).ok();
    assert_eq!(
        key(&["describe", "alias/mine", "--json"]).json()["KeyState"],
        "Enabled"
    );
}

/// Any three of five open the keyring, for the command line and for a server; fewer, foreign and mistyped ones are refused by name.
#[test]
fn a_root_key_in_shares_opens_the_keyring_for_a_server() {
    let home = Home::new();
    let server = home.start();
    home.table_of_one();
    assert!(server.terminate().success());
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let split = ["key", "split", "--keyring", keyring, "--to", "shares"];
    let said = home
        .sealdb(&[&split[..], &["--shares", "3", "--threshold", "4"]].concat())
        .refused(1);
    assert!(said.contains("2 to 3"), "{said}");
    let said = home.sealdb(&split).ok();
    assert!(said.contains("any 3 of the 5"), "{said}");
    let said = home.sealdb(&split).refused(1);
    assert!(
        said.contains("root key in shares"),
        "the old root key opens it no more: {said}"
    );

    let list = |shares: &str| {
        home.sealdb(&[
            "key",
            "list",
            "--keyring",
            keyring,
            "--root-key-shares",
            shares,
        ])
    };
    let share = |number: u8| format!("shares/share-{number}");
    let three = [share(1), share(3), share(5)].join(",");
    assert!(list(&three).ok().contains("alias/sealdb/default"));
    let said = list(&[share(2), share(4)].join(",")).refused(1);
    assert!(said.contains("2 of the 3 shares"), "{said}");
    let said = list(&[share(2), share(4), share(2)].join(",")).refused(1);
    assert!(said.contains("share 2 is there already"), "{said}");
    let line = fs::read_to_string(home.path().join(share(4))).unwrap();
    let at = line.len() - 20;
    let other = if &line[at..=at] == "0" { "1" } else { "0" };
    let wrong = format!("{}{other}{}", &line[..at], &line[at + 1..]);
    fs::write(home.path().join(share(4)), wrong).unwrap();
    let said = list(&[share(2), share(4), share(5)].join(",")).refused(1);
    assert!(
        said.contains("share-4") && said.contains("mistyped"),
        "{said}"
    );

    let server = home.start_with(&["--root-key-shares", &three]);
    assert_eq!(home.sealdb(&["scan", "table", "--count"]).ok(), "1\n");
    assert!(server.terminate().success());

    // Of another keyring.
    let other = Home::new();
    let server = other.start();
    assert!(server.terminate().success());
    let theirs = other.keyring_dir();
    let to = home.path().join("theirs");
    let to = to.to_str().unwrap();
    other
        .sealdb(&[
            "key",
            "split",
            "--keyring",
            theirs.to_str().unwrap(),
            "--to",
            to,
        ])
        .ok();
    let foreign = [share(1), share(3), "theirs/share-5".to_owned()].join(",");
    let said = list(&foreign).refused(1);
    assert!(said.contains("share 5 belongs to the keyring"), "{said}");
}

#[test]
fn who_may_use_a_key_is_said_shown_and_taken_back() {
    let home = Home::new();
    let _server = home.start();
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let key = |args: &[&str]| {
        let mut all = vec!["key"];
        all.extend(args);
        all.extend(["--keyring", keyring]);
        home.sealdb(&all)
    };
    let policy = || key(&["describe", "alias/orders", "--json"]).json()["Policy"].clone();
    key(&["create", "--alias", "alias/orders"]).ok();
    assert_eq!(policy()["Account"], "000000000000");
    assert_eq!(policy()["Users"], serde_json::json!([]));
    key(&[
        "policy",
        "alias/orders",
        "--administrators",
        "ann",
        "--users",
        "ann,app-*",
        "--tables",
        "orders",
    ])
    .ok();
    let granted = key(&[
        "grant",
        "create",
        "alias/orders",
        "--account",
        "111111111111",
        "--grantee",
        "bob",
        "--json",
    ])
    .json();
    let grant = granted["GrantId"].as_str().unwrap();
    let told = policy();
    assert_eq!(told["Administrators"], serde_json::json!(["ann"]));
    assert_eq!(told["Users"], serde_json::json!(["ann", "app-*"]));
    assert_eq!(told["Tables"], serde_json::json!(["orders"]));
    assert_eq!(told["Grants"][0]["GrantId"], grant);
    assert_eq!(
        told["Grants"][0]["Operations"],
        serde_json::json!(["Decrypt"])
    );
    let shown = key(&["describe", "alias/orders"]).ok();
    for part in ["ann, app-*", "bob of 111111111111: Decrypt"] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    key(&["grant", "revoke", "alias/orders", "--grant", grant]).ok();
    assert_eq!(policy()["Grants"], serde_json::json!([]));
    let said = key(&["grant", "revoke", "alias/orders", "--grant", grant]).refused(1);
    assert!(said.contains(grant), "{said}");

    // Whoever is meant by these would be locked out.
    for (option, wrong) in [
        ("--users", ""),
        ("--tables", "a b"),
        ("--administrators", " "),
    ] {
        let said = key(&["policy", "alias/orders", option, wrong]).refused(1);
        assert!(said.contains("never"), "{said}");
    }
    let said = key(&["policy", "alias/orders", "--account", "1234"]).refused(2);
    assert!(said.contains("12 digits"), "{said}");
    let said = key(&["policy", "alias/sealdb/system", "--users", "ann"]).refused(1);
    assert!(said.contains("only the database itself"), "{said}");

    let made = home.sealdb(&[
        "credential",
        "create",
        "--data-dir",
        "data",
        "--user",
        "bob",
        "--account",
        "111111111111",
    ]);
    made.ok();
    let listed = home.sealdb(&["credential", "list", "--data-dir", "data", "--json"]);
    let listed = listed.json();
    let listed = listed["AccessKeys"].as_array().unwrap();
    let bob = listed.iter().find(|key| key["UserName"] == "bob").unwrap();
    assert_eq!(bob["Account"], "111111111111");
}
