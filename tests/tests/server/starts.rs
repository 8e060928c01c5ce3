//! What a start refuses, and how it says so.

use std::process::Command;

use sealdb_client::model::ops::ListTablesInput;
use sealdb_tests::server::{Home, Ran, run};

/// A start that is expected to fail by itself.
fn start(home: &Home, flags: &[&str]) -> Ran {
    let mut command = home.command("sealdb-server");
    command.arg("--data-dir").arg(home.data_dir()).arg("--init");
    if !flags.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(flags);
    run(command, "")
}

/// The same without `--init` and without anything that was not asked for.
fn bare(home: &Home, flags: &[&str]) -> Command {
    let mut command = home.command("sealdb-server");
    command.args(flags);
    command
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let first = home.start();
    let said = start(&home, &[]).refused(1);
    assert!(
        said.contains(&home.data_dir().display().to_string())
            && (said.contains("in use")
                || said.contains("another process")
                || said.contains("locked")),
        "{said}"
    );
    // The endpoint is still the first one's, and it answers.
    assert_eq!(
        sealdb_proto::endpoint::EndpointFile::read(&home.endpoint_file())
            .unwrap()
            .pid,
        first.pid()
    );
    let client = first.client().await;
    client.list_tables(ListTablesInput::new()).await.unwrap();
    assert!(first.terminate().success());
    assert!(home.start().terminate().success());
}

#[test]
fn a_new_database_without_a_root_key_is_refused_with_the_lines_to_paste() {
    let home = Home::new();
    let data = home.data_dir();
    let data = data.to_str().unwrap();
    let flags = ["--data-dir", data, "--listen", "127.0.0.1:0"];
    let said = run(bare(&home, &flags), "").refused(1);
    for part in [
        "Without both the data is gone",
        &format!("sealdb-server --data-dir '{data}' --init"),
        "--root-key-file",
        "--passphrase",
        "LoadCredentialEncrypted",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!home.data_dir().exists(), "nothing was made");

    // For a file that is named but missing the lines can be pasted as they are.
    let key = home.path().join("keys of mine/root.key");
    let key = key.to_str().unwrap();
    let flags = [&flags[..], &["--root-key-file", key]].concat();
    let said = run(bare(&home, &flags), "").refused(1);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("install ") || line.starts_with("(umask"))
        .collect();
    assert_eq!(lines.len(), 2, "{said}");
    let done = Command::new("sh")
        .args(["-euc", &lines.join("\n")])
        .status()
        .unwrap();
    assert!(done.success(), "{lines:?}");
    let server = home.start_with(&["--root-key-file", key]);
    assert!(server.terminate().success());
}

struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn flag_beats_environment_beats_file() {
    let home = Home::new();
    let file = home.path().join("sealdb.toml");
    std::fs::write(
        &file,
        "cache-size = \"1MiB\"\nlog-limit = \"2MiB\"\nkey-max-age = \"3m\"\n",
    )
    .unwrap();
    let data = home.data_dir();
    let mut command = bare(
        &home,
        &["--print-config", "--data-dir", data.to_str().unwrap()],
    );
    command
        .arg("--config")
        .arg(&file)
        .args(["--cache-size", "5MiB"])
        .env("SEALDB_CACHE_SIZE", "4MiB")
        .env("SEALDB_LOG_LIMIT", "6MiB");
    let printed = run(command, "").ok();
    for line in [
        "cache-size = \"5MiB\" # flag",
        "log-limit = \"6MiB\" # environment",
        "key-max-age = \"3m\" # file",
        "listen = \"127.0.0.1:7443\" # default",
    ] {
        assert!(printed.contains(line), "{line} in\n{printed}");
    }
    // It counts, too: the address of the flag, the run directory of the environment, the data directory of the file.
    std::fs::write(
        &file,
        format!("data-dir = {data:?}\nlisten = \"127.0.0.1:1\"\ninit = true\n"),
    )
    .unwrap();
    let elsewhere = home.path().join("elsewhere");
    let mut command = bare(&home, &["--listen", "127.0.0.1:0"]);
    command
        .arg("--config")
        .arg(&file)
        .env("SEALDB_RUN_DIR", &elsewhere)
        .env("SEALDB_LISTEN", "127.0.0.1:2");
    let mut server = Killed(
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap(),
    );
    let begun = std::time::Instant::now();
    while !elsewhere.join("endpoint.json").exists() {
        assert!(server.0.try_wait().unwrap().is_none());
        assert!(begun.elapsed().as_secs() < 30);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let endpoint =
        sealdb_proto::endpoint::EndpointFile::read(&elsewhere.join("endpoint.json")).unwrap();
    assert!(!endpoint.address.ends_with(":1") && !endpoint.address.ends_with(":2"));
    assert!(data.exists());
}

#[test]
fn settings_that_mean_nothing_are_refused_by_name() {
    let home = Home::new();
    let file = home.path().join("sealdb.toml");
    std::fs::write(&file, "cache-sizes = \"1MiB\"\n").unwrap();
    let said = start(&home, &["--config", file.to_str().unwrap()]).refused(1);
    assert!(
        said.contains("cache-sizes")
            && said.contains("cache-size`")
            && said.contains("sealdb.toml"),
        "{said}"
    );
    for (flags, part) in [
        (&["--cache-size", "7 bananas"][..], "--cache-size"),
        (&["--listen", "somewhere"], "somewhere"),
        (&["--listen", "0.0.0.0:0"], "--tls-cert"),
        (&["--durability", "sometimes"], "sometimes"),
        (&["--log-level", "sealdb=loud"], "log-level"),
        (&["--max-message-size", "1B"], "--max-message-size"),
        (&["--max-request-memory", "1B"], "--max-request-memory"),
        (&["--tls-cert", "x.pem"], "--tls-key"),
        (&["--root-key-credential", "../x"], "credential"),
        (&["--root-key-file", "data/root.key"], "data directory"),
        (&["--keyring", "data/keyring"], "data directory"),
    ] {
        let said = start(&home, flags).refused(1);
        assert!(said.contains(part), "{flags:?}: {said}");
        assert!(!home.data_dir().exists(), "{flags:?}: nothing was made");
    }
    let said = start(&home, &["--no-such-flag"]).refused(2);
    assert!(said.contains("--no-such-flag"), "{said}");
    let help = start(&home, &["--help"]).ok();
    assert!(
        help.contains("--data-dir") && help.contains("SEALDB_"),
        "{help}"
    );
}

#[test]
fn without_its_keyring_or_with_another_one_a_database_is_refused() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    let aside = home.path().join("aside");
    std::fs::rename(home.keyring_dir(), &aside).unwrap();
    let said = start(&home, &[]).refused(1);
    assert!(
        said.contains("keyring") && said.contains("restore"),
        "{said}"
    );
    // Another database's keyring opens nothing here.
    let other = Home::new();
    assert!(other.start().terminate().success());
    let said = start(&home, &["--keyring", other.keyring_dir().to_str().unwrap()]).refused(1);
    assert!(said.contains("keyring"), "{said}");
    // A wrong root key is told from a broken keyring.
    std::fs::rename(&aside, home.keyring_dir()).unwrap();
    let wrong = other.keyring_dir().join("root.key");
    let said = start(&home, &["--root-key-file", wrong.to_str().unwrap()]).refused(1);
    assert!(said.contains("root key"), "{said}");
    assert!(home.start().terminate().success());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = start(&home, &["--listen", &address]).refused(1);
    assert!(said.contains(&address), "{said}");
    assert!(!home.endpoint_file().exists());
    drop(taken);
    assert!(home.start().terminate().success());
}

#[test]
fn the_start_tells_people_what_they_need() {
    let home = Home::new();
    let server = home.start();
    let address = server.address().to_owned();
    let secret = server.endpoint.secret_access_key.expose().to_owned();
    assert!(server.terminate().success());
    let log = home.log();
    for part in [
        address.as_str(),
        "data.keyring",
        "root.key",
        "endpoint.json",
        "sealdb table list",
        "same device",
    ] {
        assert!(log.contains(part), "{part} in\n{log}");
    }
    assert!(!log.contains(&secret), "the secret is not shown");
}
