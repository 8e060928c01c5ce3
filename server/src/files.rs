//! Owner-only files and directories, replaced whole or not at all.
//!
//! Secrets in plain files are few (SECURITY.md lists them). Each is written here: mode 0600 from its first byte, in a
//! directory of mode 0700, under a temporary name, synced, renamed, and the directory synced.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Makes a directory (and what is missing above it) with mode 0700, or checks that an existing one is owner-only.
pub fn private_dir(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => Err(refuse(path, "is not a directory")),
        Ok(found) => {
            check_owner(path, &found)?;
            if found.mode() & 0o077 != 0 {
                return Err(refuse(
                    path,
                    "can be entered by others; run: chmod 700 on it",
                ));
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
            {
                fs::create_dir_all(parent)?;
            }
            DirBuilder::new().mode(0o700).create(path)?;
            sync_parent(path)
        }
        Err(error) => Err(error),
    }
}

/// Writes a file whole: a reader, also one after a crash, sees the old content or the new, never a part.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    sealdb_proto::endpoint::write_owner_only(path, content).map_err(io::Error::other)?;
    sync_parent(path)
}

/// Reads a file of ours that holds a secret, at most `limit` bytes, and refuses one that others can read.
pub fn read_private(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    check_owner(path, &found)?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(refuse(path, "can be read by others; run: chmod 600 on it"));
    }
    read_limited(path, file, &found, limit)
}

/// Reads a secret that the operator provides. It may belong to root or a group (that is how systemd and certificate
/// tools hand them out), but the whole machine must not be able to read it.
pub fn read_provided(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if found.permissions().mode() & 0o007 != 0 {
        return Err(refuse(
            path,
            "can be read by everyone; run: chmod o-rwx on it",
        ));
    }
    read_limited(path, file, &found, limit)
}

fn read_limited(path: &Path, file: File, found: &fs::Metadata, limit: u64) -> io::Result<Vec<u8>> {
    if !found.is_file() {
        return Err(refuse(path, "is not a regular file"));
    }
    if found.len() > limit {
        return Err(refuse(path, "is too long"));
    }
    let mut content = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    io::Read::take(file, limit).read_to_end(&mut content)?;
    Ok(content)
}

/// Whether two places are on one device; `None` if either cannot be looked at.
pub fn same_device(one: &Path, two: &Path) -> Option<bool> {
    Some(nearest(one)?.dev() == nearest(two)?.dev())
}

fn nearest(path: &Path) -> Option<fs::Metadata> {
    let absolute = std::path::absolute(path).ok()?;
    absolute
        .ancestors()
        .find_map(|place| fs::metadata(place).ok())
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn check_owner(path: &Path, found: &fs::Metadata) -> io::Result<()> {
    let me = rustix::process::geteuid().as_raw();
    if found.uid() == me || me == 0 {
        return Ok(());
    }
    Err(refuse(path, "belongs to another user"))
}

fn refuse(path: &Path, why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} {why}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("a/b.run");
        private_dir(&run).unwrap();
        private_dir(&run).unwrap();
        assert_eq!(mode(&run), 0o700);
        let file = run.join("secret");
        replace(&file, b"one").unwrap();
        replace(&file, b"two").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert_eq!(read_private(&file, 10).unwrap(), b"two");
        assert_eq!(
            fs::read_dir(&run).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        replace(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            read_private(&file, 10)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(
            private_dir(dir.path())
                .unwrap_err()
                .to_string()
                .contains("chmod 700")
        );
        assert!(private_dir(&file).is_err());
    }

    #[test]
    fn long_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        replace(&file, b"12345").unwrap();
        assert!(read_private(&file, 4).is_err());
        assert!(read_private(&file, 5).is_ok());
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("x"), "").unwrap();
        assert!(replace(&taken, b"one").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
