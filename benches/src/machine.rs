//! What the numbers were measured on, and what was measured.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// A machine and a commit, as far as they can be told.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Threads that run at once.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel.
    pub kernel: String,
    /// File system under the stores.
    pub filesystem: String,
    /// Commit of the sources.
    pub commit: String,
    /// Whether the compiler optimised.
    pub optimised: bool,
}

impl Machine {
    /// Looks around. `dir` is where the stores lie.
    pub fn look(dir: &Path) -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map_or_else(
                || "unknown".to_owned(),
                |(_, value)| value.trim().to_owned(),
            )
        };
        let memory = field(&text("/proc/meminfo"), "MemTotal");
        Self {
            processor: field(&text("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory
                .split(' ')
                .next()
                .and_then(|kib| kib.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            filesystem: filesystem(&text("/proc/mounts"), dir),
            commit: commit(),
            optimised: !cfg!(debug_assertions),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "commit {}{}, {}, {} cores, {} MiB, Linux {}, {}",
            self.commit,
            if self.optimised { "" } else { " (DEBUG BUILD)" },
            self.processor,
            self.cores,
            self.memory_mib,
            self.kernel,
            self.filesystem
        )
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory_mib": self.memory_mib,
            "kernel": self.kernel,
            "filesystem": self.filesystem,
            "commit": self.commit,
            "optimised": self.optimised,
        })
    }
}

/// The type of the file system that `dir` lies on, from a table of mounts.
fn filesystem(mounts: &str, dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(at, _)| dir.starts_with(at))
        .max_by_key(|(at, _)| at.len())
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// The commit that was built, if the build said so; that of the sources if they are still there.
fn commit() -> String {
    if let Some(commit) = option_env!("SEALDB_COMMIT") {
        return commit.to_owned();
    }
    Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR")])
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /nowhere/x tmpfs rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/nowhere/x/y")), "tmpfs");
        assert_eq!(filesystem(mounts, Path::new("/nowhere")), "ext4");
        assert_eq!(filesystem("", Path::new("/nowhere")), "unknown");
    }
}
