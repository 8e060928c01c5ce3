//! Other servers that speak DynamoDB's JSON, and where they lie: beside this program, where `scripts/bench` puts them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::store::Failure;

/// A server that is started as a process. It says in one line where it is and what it is, and ends when its input does.
pub(super) struct Other {
    /// Its column.
    pub(super) name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// What it is started with is there.
    there: bool,
}

impl Other {
    /// What starts it over an empty directory.
    pub(super) fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(dir);
        command
    }
}

/// All of them.
pub struct Others(Vec<Other>);

impl Others {
    /// Looks in the directory of this program. Who has a setting for it gets so much memory for its cache.
    ///
    /// # Errors
    /// The system does not tell where that is.
    pub fn look(cache_bytes: usize) -> Result<Self, Failure> {
        let here = std::env::current_exe()?;
        let peers = here.with_file_name("sealdb-peers");
        let dynalite = here.with_file_name("dynalite");
        let dynoxide = |name, argument: &str| Other {
            name,
            there: peers.exists(),
            program: peers.clone(),
            arguments: vec!["http".into(), argument.into(), cache_bytes.to_string()],
        };
        let node = Other {
            name: "dynalite",
            there: dynalite.join("node_modules").exists(),
            program: dynalite.join("serve.mjs"),
            arguments: Vec::new(),
        };
        Ok(Self(vec![
            dynoxide("dynoxide", "dynoxide"),
            dynoxide("dynoxide sqlcipher", "dynoxide-sqlcipher"),
            node,
        ]))
    }

    pub(super) fn found(&self) -> impl Iterator<Item = &Other> {
        self.0.iter().filter(|other| other.there)
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = &'static str> {
        let missing = self.0.iter().filter(|other| !other.there);
        missing.map(|other| other.name)
    }
}
