//! The `sealdb-server` that lies beside this program: how soon it serves, what it takes idle, how large it is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Context, KB};
use crate::compare::temporary;
use crate::process::Process;
use crate::rows::{Bound, Row, Unit};
use crate::store::{Failure, Kind};
use crate::usage;

const STARTS: usize = 5;
/// Memory is looked at after so long without a call.
const IDLE: Duration = Duration::from_secs(2);

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let program = std::env::current_exe()?.with_file_name("sealdb-server");
    if !program.exists() {
        return Err(format!("{} is not built", program.display()).into());
    }
    let items = context.items(0.1, KB);
    let dir = temporary(context.dir)?;
    context
        .filled_one(dir.path(), Kind::Sealed, items)?
        .db
        .close()?;
    let mut started = Row::new(
        "clean start of the server",
        Unit::Nanos,
        format!(
            "from the process to its greeting, {} items of 1 KB, root key from a file",
            items.count
        ),
    );
    let mut idle = Row::new(
        "idle memory",
        Unit::Bytes,
        format!(
            "resident memory of the server, {} items of 1 KB, {} s after its start, never called",
            items.count,
            IDLE.as_secs()
        ),
    );
    context.say("starts");
    for start in 0..STARTS {
        let begun = Instant::now();
        let mut process = Process::start(command(&program, dir.path()))?;
        let line = process.line()?;
        let took = begun.elapsed();
        // The first start makes the certificate and the credentials.
        if start > 0 {
            started.push(0, took.as_nanos() as f64);
        }
        if start + 1 == STARTS {
            std::thread::sleep(IDLE);
            idle.push(0, usage::memory(Some(process.id()))?.now as f64);
        }
        process.terminate()?;
        if !line.contains("serves") {
            return Err(format!("the server said: {line}").into());
        }
    }
    let mut binary = Row::new("binary", Unit::Bytes, "size of sealdb-server, stripped");
    let stripped = dir.path().join("stripped");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(&program)
        .status();
    match strip {
        Ok(status) if status.success() => {
            binary.push(0, std::fs::metadata(&stripped)?.len() as f64);
            binary.judge("binary", Bound::AtMost(25e6));
        }
        _ => binary.what.push_str(": there is no strip on this machine"),
    }
    started.judge("clean-start", Bound::AtMost(50e6));
    idle.judge("idle", Bound::AtMost(30e6));
    Ok(vec![started, idle, binary])
}

fn command(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    let mut path = |flag: &str, path: PathBuf| {
        command.arg(flag).arg(path);
    };
    path("--data-dir", dir.join("data"));
    path("--keyring", dir.join("keyring"));
    path("--root-key-file", dir.join("keyring").join("root.key"));
    path("--run-dir", dir.join("run"));
    command
        .args(["--listen", "127.0.0.1:0", "--log-level", "error"])
        .env("XDG_RUNTIME_DIR", dir);
    command
}
