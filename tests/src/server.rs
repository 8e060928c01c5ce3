//! A real `sealdb-server` process on a temporary directory, with everything that it writes inside of it.
//!
//! The binaries are those beside the test executable (`target/PROFILE/`); `scripts/test` builds them first.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sealdb_client::{Client, Endpoint};
use sealdb_proto::endpoint::EndpointFile;
use tempfile::TempDir;

/// How long a start or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The path of one of our binaries.
///
/// # Panics
/// It is not built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test
        .parent()
        .and_then(|directory| match directory.file_name() {
            Some(name) if name == "deps" => directory.parent(),
            _ => Some(directory),
        })
        .expect("test executables lie in target/PROFILE/deps");
    let path = profile.join(name);
    assert!(
        path.exists(),
        "{} is not built: run scripts/test, or first `cargo build -p sealdb-server -p sealdb-cli`",
        path.display()
    );
    path
}

/// Writes a file that only its owner may read, as endpoint files must be.
pub fn private_file(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).unwrap().write_all(bytes).unwrap();
}

/// The directories of one database and its server.
pub struct Home {
    directory: TempDir,
}

impl Default for Home {
    fn default() -> Home {
        Home::new()
    }
}

impl Home {
    /// A place for a new database.
    pub fn new() -> Home {
        let home = Home {
            directory: tempfile::Builder::new()
                .prefix("sealdb-e2e.")
                .tempdir()
                .unwrap(),
        };
        std::fs::create_dir(home.runtime_dir()).unwrap();
        home
    }

    /// Everything lies below this one.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The run directory: endpoint, certificate, credentials.
    pub fn run_dir(&self) -> PathBuf {
        self.path().join("data.run")
    }

    /// The directory of the keyring.
    pub fn keyring_dir(&self) -> PathBuf {
        self.path().join("data.keyring")
    }

    /// `$XDG_RUNTIME_DIR` of server and clients.
    pub fn runtime_dir(&self) -> PathBuf {
        self.path().join("runtime")
    }

    /// Where the server's log goes, all starts after each other.
    pub fn log_file(&self) -> PathBuf {
        self.path().join("server.log")
    }

    /// The log of all servers so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The endpoint file.
    pub fn endpoint_file(&self) -> PathBuf {
        self.run_dir().join("endpoint.json")
    }

    /// A command with an environment of its own: nothing of the developer's is found or changed.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.runtime_dir())
            .current_dir(self.path());
        command
    }

    /// The command line of the server for this place, on a free port.
    pub fn server_command(&self) -> Command {
        let mut command = self.command("sealdb-server");
        command
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(["--init", "--listen", "127.0.0.1:0"]);
        command
    }

    /// Starts a server and waits until clients can find it.
    pub fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// The same with more flags.
    ///
    /// # Panics
    /// The server ends instead, or takes too long. Its log is shown.
    pub fn start_with(&self, flags: &[&str]) -> Server {
        let mut child = self.spawn(flags);
        let begun = Instant::now();
        loop {
            // The file of a killed server may still lie there: only this process's counts.
            if let Ok(endpoint) = EndpointFile::read(&self.endpoint_file())
                && endpoint.pid == child.id()
            {
                return Server {
                    child,
                    endpoint,
                    endpoint_file: self.endpoint_file(),
                };
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!(
                    "sealdb-server ended at its start with {status}:\n{}",
                    self.log()
                );
            }
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("sealdb-server did not start in time:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts the process and waits for nothing.
    pub fn spawn(&self, flags: &[&str]) -> Child {
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        self.server_command()
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Runs `sealdb` with these arguments; it finds the server that was started last in this place.
    pub fn sealdb(&self, args: &[&str]) -> Ran {
        self.sealdb_with_input(args, "")
    }

    /// The same with a text on stdin.
    pub fn sealdb_with_input(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command("sealdb");
        command.args(args);
        run(command, input)
    }

    /// Has `sealdb` create a table: `keys` are the partition key and, if it has one, the sort key, as `country:S`. Returns what it said.
    pub fn table(&self, name: &str, keys: &[&str]) -> String {
        let keys = ["--pk", "--sk"]
            .iter()
            .zip(keys)
            .flat_map(|(flag, key)| [*flag, *key]);
        let args: Vec<&str> = ["table", "create", name].into_iter().chain(keys).collect();
        self.sealdb(&args).ok()
    }

    /// A table of the name `table` with one item.
    pub fn table_of_one(&self) {
        self.table("table", &["id:S"]);
        self.sealdb(&["item", "put", "table", r#"{"id": "a"}"#])
            .ok();
    }
}

/// Runs a program to its end.
///
/// # Panics
/// It takes longer than a minute.
pub fn run(command: Command, input: &str) -> Ran {
    run_within(command, input, 2 * PATIENCE)
}

/// The same with another limit, for a program that is built first.
///
/// # Panics
/// It takes longer than that.
pub fn run_within(mut command: Command, input: &str, limit: Duration) -> Ran {
    use std::io::{Read, Write};
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that does not read its input is no error.
        let _ = stdin.write_all(input.as_bytes());
    });
    fn reader(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }
    let stdout = reader(child.stdout.take().unwrap());
    let stderr = reader(child.stderr.take().unwrap());
    let Some(status) = wait(&mut child, limit) else {
        let _ = child.kill();
        panic!("{shown} did not end in time");
    };
    writer.join().unwrap();
    Ran {
        shown,
        code: status.code(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// A program that came to its end.
pub struct Ran {
    shown: String,
    /// The exit code, if it was not killed.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Ran {
    /// The output of a program that succeeded.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(
            self.code,
            Some(0),
            "{}\n{}\n{}",
            self.shown,
            self.stdout,
            self.stderr
        );
        self.stdout
    }

    /// The output of a program that succeeded, as JSON.
    ///
    /// # Panics
    /// It did not, or printed something else.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// What a program said that failed with this exit code.
    ///
    /// # Panics
    /// It did something else, or printed a result all the same.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(
            self.code,
            Some(code),
            "{}\n{}\n{}",
            self.shown,
            self.stdout,
            self.stderr
        );
        assert_eq!(self.stdout, "", "{}", self.shown);
        assert!(
            !self.stderr.contains("panicked"),
            "{}\n{}",
            self.shown,
            self.stderr
        );
        self.stderr
    }
}

/// A running server. Dropped, it is killed.
pub struct Server {
    child: Child,
    /// Its endpoint file.
    pub endpoint: EndpointFile,
    endpoint_file: PathBuf,
}

impl Server {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// What a client needs to know, from the endpoint file.
    pub fn client_endpoint(&self) -> Endpoint {
        Endpoint::from_file(&self.endpoint_file).unwrap()
    }

    /// A client that is connected.
    pub async fn client(&self) -> Client {
        Client::connect(self.client_endpoint()).await.unwrap()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// It does not end.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        wait(&mut self.child, 2 * PATIENCE).expect("the server ends after SIGTERM")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether the process is there.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory in KiB: now, and the most there ever was.
    pub fn memory_kib(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("no {name} in {status}"))
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process; `None` if it does not come in time.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if begun.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
