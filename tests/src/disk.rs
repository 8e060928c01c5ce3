//! A database's home on a real disk, and its bytes: read whole, searched, changed, written back.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealdb::crypto::keyring::KEYRING_FILE;
use sealdb::crypto::{Clock, Keyring, SystemClock};
use sealdb::{Builder, Database, Options, RootKeySource};

/// Bytes of a place in the page file and of a boundary in the log.
pub const UNIT: usize = 4096;

/// A temporary directory with `data`, `keyring` and `root.key`, removed when dropped.
#[derive(Debug)]
pub struct Home {
    dir: tempfile::TempDir,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// Makes an empty one.
    ///
    /// # Panics
    /// If the system gives no temporary directory.
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The same in memory where the system has such a place: for hundreds of trials, whose syncs cost nothing there.
    ///
    /// # Panics
    /// If the system gives no temporary directory.
    pub fn fast() -> Self {
        match tempfile::tempdir_in("/dev/shm") {
            Ok(dir) => Self { dir },
            Err(_) => Self::new(),
        }
    }

    /// The directory of everything.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The database's directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The keyring's directory.
    pub fn keyring_dir(&self) -> PathBuf {
        self.dir.path().join("keyring")
    }

    /// The root key: made at the first call.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn root_key(&self) -> RootKeySource {
        let file = self.dir.path().join("root.key");
        if file.exists() {
            RootKeySource::File(file)
        } else {
            RootKeySource::create_file(file).expect("a root key")
        }
    }

    /// The keyring itself, to be handed in as a KMS or changed; made at the first call.
    ///
    /// # Panics
    /// If it cannot be made or opened.
    pub fn keyring(&self) -> Keyring {
        let file = self.keyring_dir().join(KEYRING_FILE);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        if file.exists() {
            Keyring::open(file, self.root_key(), clock).expect("the keyring opens")
        } else {
            Keyring::create(file, self.root_key(), clock).expect("a keyring")
        }
    }

    /// A builder for the database in `data` with the keyring in `keyring`.
    pub fn builder(&self) -> Builder {
        self.builder_at(self.data())
    }

    /// The same for a database elsewhere.
    pub fn builder_at(&self, data: impl Into<PathBuf>) -> Builder {
        Database::builder(data)
            .keyring(self.keyring_dir(), self.root_key())
            .options(small())
    }
}

/// Options that bring everything about with little data: pages leave the cache, segments fill.
pub fn small() -> Options {
    Options {
        cache_bytes: 64 << 10,
        segment_first: 64 << 10,
        segment_max: 128 << 10,
        ..Options::default()
    }
}

/// The files of a directory, by path relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    /// Reads a directory and everything below.
    ///
    /// # Errors
    /// The system's.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut todo = vec![dir.to_path_buf()];
        while let Some(at) = todo.pop() {
            for entry in std::fs::read_dir(at)? {
                let path = entry?.path();
                if path.is_dir() {
                    todo.push(path);
                    continue;
                }
                let bytes = match std::fs::read(&path) {
                    // A temporary file of a running database.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                };
                let name = path.strip_prefix(dir).unwrap_or(&path);
                files.insert(name.to_string_lossy().into_owned(), bytes);
            }
        }
        Ok(Self(files))
    }

    /// Makes the directory hold exactly these files. What is already so is not written.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if !self.0.contains_key(&*entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path())?;
            }
        }
        for (name, bytes) in &self.0 {
            std::fs::write(dir.join(name), bytes)?;
        }
        Ok(())
    }

    /// The bytes of a file.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn file(&mut self, name: &str) -> &mut Vec<u8> {
        self.0.get_mut(name).expect("there is such a file")
    }

    /// Names of the log segments.
    pub fn segments(&self) -> Vec<String> {
        let log = |name: &&String| name.starts_with("log.");
        self.0.keys().filter(log).cloned().collect()
    }

    /// The files in which these bytes stand, at any offset.
    pub fn holding(&self, needle: &[u8]) -> Vec<&str> {
        assert!(needle.len() >= 4, "too short to mean anything");
        let holds = |bytes: &[u8]| contains(bytes, needle);
        self.0
            .iter()
            .filter(|(_, bytes)| holds(bytes))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Whether `needle` stands in `bytes`.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else {
        return true;
    };
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|byte| byte == first) {
        from += found + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

/// A small file system in memory, mounted for one test and unmounted when dropped. Needs the rights to mount.
#[derive(Debug)]
pub struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of this size. `None`, and a loud line, where that is not allowed.
    ///
    /// # Panics
    /// If the system gives no temporary directory.
    #[allow(clippy::print_stderr)]
    pub fn new(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(dir.path())
            .output();
        let why = match mounted {
            Ok(output) if output.status.success() => return Some(Self { dir }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!(
            "SKIPPED: no small file system can be mounted here: {}",
            why.trim()
        );
        None
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }

    /// Takes all the space there is.
    ///
    /// # Panics
    /// If a file cannot be made.
    pub fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.ballast()).expect("a file on the small disk");
        for size in [64 << 10, 4096, 1] {
            while file.write_all(&vec![0xAA; size]).is_ok() {}
        }
    }

    /// Makes the file system larger.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn grow(&self, bytes: u64) {
        let grown = std::process::Command::new("mount")
            .args(["-o", &format!("remount,size={bytes}")])
            .arg(self.dir.path())
            .status();
        assert!(grown.is_ok_and(|status| status.success()), "remounted");
    }

    /// Gives the space back.
    ///
    /// # Panics
    /// If it was not taken.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the disk was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.dir.path())
            .status();
    }
}
