//! Processes that the harness starts: this program again, a server, another database.
//!
//! Each has the other end of its standard input, which ends when its parent does, and says on its standard output in lines what it
//! has to say.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use sealdb::Options;

use crate::store::{Failure, Kind};

/// What this program is told when it starts itself over a database.
#[derive(Debug, Clone, Args)]
pub struct Over {
    /// Where [`crate::store::Store::create`] makes a database, or made one.
    #[arg(long)]
    pub dir: PathBuf,
    /// With the null sealer.
    #[arg(long)]
    plain: bool,
    /// Bytes for its pages.
    #[arg(long)]
    pub cache: usize,
}

impl Over {
    /// Which block transform the database uses.
    pub fn kind(&self) -> Kind {
        Kind::of(self.plain)
    }

    /// Settings of the database.
    pub fn options(&self) -> Options {
        Options {
            cache_bytes: self.cache,
            ..Options::default()
        }
    }
}

/// This program again, as `name`, over a database.
///
/// # Errors
/// The system does not tell where the program is.
pub fn again(name: &str, dir: &Path, kind: Kind, cache: usize) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name).arg("--dir").arg(dir);
    command.arg("--cache").arg(cache.to_string());
    if kind == Kind::Plain {
        command.arg("--plain");
    }
    Ok(command)
}

/// A process, seen from its parent. It is killed when this is dropped.
pub struct Process {
    program: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// There is no such program, or the system starts none.
    pub fn start(mut command: Command) -> Result<Self, Failure> {
        let program = command.get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        Ok(Self {
            program,
            child,
            stdout: BufReader::new(stdout),
        })
    }

    /// Its number in the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says.
    ///
    /// # Errors
    /// It ended instead.
    pub fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            return Err(format!("{} ended with {status}", self.program).into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Says a line to it.
    ///
    /// # Errors
    /// It does not listen.
    pub fn say(&mut self, line: &str) -> Result<(), Failure> {
        let stdin = self.child.stdin.as_mut().ok_or("no standard input")?;
        Ok(writeln!(stdin, "{line}")?)
    }

    /// Ends its standard input and waits for it.
    ///
    /// # Errors
    /// It does not end well.
    pub fn stop(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        self.judge(status)
    }

    /// Sends it SIGTERM and waits for it.
    ///
    /// # Errors
    /// It does not end well.
    pub fn terminate(mut self) -> Result<(), Failure> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        self.judge(status)
    }

    fn judge(&self, status: ExitStatus) -> Result<(), Failure> {
        match status.success() {
            true => Ok(()),
            false => Err(format!("{} ended with {status}", self.program).into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
