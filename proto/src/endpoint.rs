//! The endpoint file: how clients on the same machine find a server, know its certificate and sign in.
//!
//! The server writes two files, both with [`write_owner_only`]: mode 0600, under a temporary name, synced,
//! renamed into place. Neither is ever seen half-written, or readable by others.
//!
//! | File | Content |
//! |---|---|
//! | `D.run/endpoint.json` | [`EndpointFile`] as JSON, for the server of data directory `D` |
//! | [`last_endpoint_pointer`] | one line: the absolute path of the `endpoint.json` of the server started last |
//!
//! Readers refuse a file that its group or others may read or write, or that another user owns than the
//! reader's own: a secret in it would be no secret, and a pin that others may change pins nothing.
//!
//! A client looks in this order: a path that it was given, [`ENDPOINT_FILE_ENV`], the pointer.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Environment variable that names an endpoint file.
pub const ENDPOINT_FILE_ENV: &str = "SEALDB_ENDPOINT_FILE";

/// The version of [`EndpointFile`] that this crate writes and reads.
pub const ENDPOINT_VERSION: u32 = 1;

/// No endpoint file is longer.
const MAX_LEN: u64 = 64 * 1024;

/// Where a server listens, how its certificate is recognised, and a credential for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFile {
    /// [`ENDPOINT_VERSION`].
    pub version: u32,
    /// Socket address, for example `127.0.0.1:7443`.
    pub address: String,
    /// Id of the access key.
    pub access_key_id: String,
    /// Secret of the access key.
    pub secret_access_key: Secret,
    /// `sha256:` and the SHA-256, in 64 lower-case hex digits, of the server's certificate in DER.
    pub certificate_pin: String,
    /// Process id of the server.
    pub pid: u32,
    /// Version of the server.
    pub server_version: String,
}

/// A secret text: `Debug` hides it, it is wiped on drop, and only [`Secret::expose`] shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret text.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The text. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Why an endpoint could not be found, read or written.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No server of this user has left an endpoint.
    #[error(
        "no server found: neither an endpoint file was given nor {ENDPOINT_FILE_ENV} is set, and {} does not exist (start sealdb-server, or name its endpoint file)", pointer.display()
    )]
    NotFound {
        /// The pointer that was looked for.
        pointer: PathBuf,
    },
    /// Neither `XDG_RUNTIME_DIR`, `XDG_STATE_HOME` nor `HOME` names a directory.
    #[error(
        "cannot tell where the pointer to the endpoint file stands: none of XDG_RUNTIME_DIR, XDG_STATE_HOME and HOME is an absolute path"
    )]
    NoHome,
    /// The file is not private.
    #[error(
        "{} is refused: {reason} (it holds a secret: chmod 600, and owned by the user who reads it)", path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is not an endpoint file.
    #[error("{} is not an endpoint file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is of another version.
    #[error(
        "{} is an endpoint file of version {found}, and this program knows version {ENDPOINT_VERSION}", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The operating system said no.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With which file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

impl EndpointFile {
    /// Reads and checks an endpoint file.
    pub fn read(path: &Path) -> Result<Self, EndpointError> {
        let text = read_owner_only(path)?;
        let malformed = |reason: String| EndpointError::Malformed {
            path: path.to_owned(),
            reason,
        };
        // serde_json's message may quote a value; the secret must not get into it.
        let version = serde_json::from_str::<Version>(&text)
            .map_err(|e| {
                malformed(format!(
                    "no JSON with a version (line {}, column {})",
                    e.line(),
                    e.column()
                ))
            })?
            .version;
        if version != u64::from(ENDPOINT_VERSION) {
            return Err(EndpointError::Version {
                path: path.to_owned(),
                found: version,
            });
        }
        let file: Self = serde_json::from_str(&text).map_err(|e| {
            malformed(format!(
                "a field is missing or of another type (line {}, column {})",
                e.line(),
                e.column()
            ))
        })?;
        file.pin().ok_or_else(|| {
            malformed("certificate_pin is not sha256: and 64 lower-case hex digits".into())
        })?;
        Ok(file)
    }

    /// Writes the endpoint file, in one step for readers.
    pub fn write(&self, path: &Path) -> Result<(), EndpointError> {
        let mut text = Zeroizing::new(serde_json::to_string_pretty(self).map_err(|e| {
            EndpointError::Malformed {
                path: path.to_owned(),
                reason: format!("{:?}", e.classify()),
            }
        })?);
        text.push('\n');
        write_owner_only(path, text.as_bytes())
    }

    /// The pinned SHA-256, or `None` if `certificate_pin` is malformed.
    pub fn pin(&self) -> Option<[u8; 32]> {
        parse_pin(&self.certificate_pin)
    }
}

/// Only the version, so that another version is named and not called malformed.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// `sha256:` and hex.
pub fn format_pin(sha256: &[u8; 32]) -> String {
    let mut pin = String::with_capacity(71);
    pin.push_str("sha256:");
    for byte in sha256 {
        for nibble in [byte >> 4, byte & 15] {
            pin.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    pin
}

/// The bytes of `sha256:` and 64 lower-case hex digits; `None` for anything else.
pub fn parse_pin(pin: &str) -> Option<[u8; 32]> {
    let hex = pin.strip_prefix("sha256:")?.as_bytes();
    if hex.len() != 64 {
        return None;
    }
    let nibble = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut sha256 = [0; 32];
    for (byte, pair) in sha256.iter_mut().zip(hex.as_chunks::<2>().0) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(sha256)
}

/// Where the pointer to the last server's endpoint file stands: `$XDG_RUNTIME_DIR/sealdb/last-endpoint`, else
/// `$XDG_STATE_HOME/sealdb/last-endpoint`, else `~/.local/state/sealdb/last-endpoint`.
///
/// `var` looks up an environment variable (`|name| std::env::var_os(name)`); relative paths are ignored, as
/// the XDG specification says.
pub fn last_endpoint_pointer(
    var: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<PathBuf, EndpointError> {
    let dir = |name: &str| var(name).map(PathBuf::from).filter(|p| p.is_absolute());
    dir("XDG_RUNTIME_DIR")
        .or_else(|| dir("XDG_STATE_HOME"))
        .or_else(|| dir("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("sealdb").join("last-endpoint"))
        .ok_or(EndpointError::NoHome)
}

/// Makes the pointer name this endpoint file, which must be an absolute path.
pub fn write_pointer(pointer: &Path, endpoint_file: &Path) -> Result<(), EndpointError> {
    let text = endpoint_file
        .to_str()
        .filter(|t| endpoint_file.is_absolute() && !t.contains('\n'))
        .ok_or_else(|| EndpointError::Malformed {
            path: endpoint_file.to_owned(),
            reason: "its path is not absolute UTF-8 of one line".into(),
        })?;
    write_owner_only(pointer, format!("{text}\n").as_bytes())
}

/// The path of the endpoint file that the pointer names.
pub fn read_pointer(pointer: &Path) -> Result<PathBuf, EndpointError> {
    let text = read_owner_only(pointer)?;
    let target = PathBuf::from(text.trim_end_matches('\n'));
    if target.is_absolute() && !text.trim_end_matches('\n').contains('\n') {
        Ok(target)
    } else {
        Err(EndpointError::Malformed {
            path: pointer.to_owned(),
            reason: "it does not hold one absolute path".into(),
        })
    }
}

/// The endpoint file to use: `explicit`, else `$SEALDB_ENDPOINT_FILE`, else the one that the pointer names.
pub fn locate(
    explicit: Option<&Path>,
    var: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<PathBuf, EndpointError> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    if let Some(path) = var(ENDPOINT_FILE_ENV).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let pointer = last_endpoint_pointer(var)?;
    match read_pointer(&pointer) {
        Err(EndpointError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Err(EndpointError::NotFound { pointer })
        }
        found => found,
    }
}

/// Writes a file of mode 0600 in one step for readers: temporary name, sync, rename. Missing directories are
/// made with mode 0700.
pub fn write_owner_only(path: &Path, content: &[u8]) -> Result<(), EndpointError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let failed = |verb: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| EndpointError::Io { verb, path, source }
    };
    let dir = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed("create", dir))?;
    let temporary = dir.join(format!(
        ".{}.{}.{}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    ));
    // A leftover of a crashed process with the same id.
    let _ = std::fs::remove_file(&temporary);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(failed("write", &temporary))
        // Crash here: the old file stands, and beside it a private temporary file.
        .and_then(|()| {
            std::fs::rename(&temporary, path).map_err(failed("rename into place", path))
        });
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Reads a text file that only its owner, who is the reader, may read and write.
fn read_owner_only(path: &Path) -> Result<Zeroizing<String>, EndpointError> {
    let failed = |source| EndpointError::Io {
        verb: "read",
        path: path.to_owned(),
        source,
    };
    let refused = |reason: String| EndpointError::NotPrivate {
        path: path.to_owned(),
        reason,
    };
    // Mode and owner are those of the file that is then read, whatever the name means later.
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(refused("it is not a plain file".into()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(refused(format!(
            "its mode {:03o} lets others than its owner in",
            metadata.mode() & 0o777
        )));
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user && user != 0 {
        return Err(refused(format!(
            "user {} owns it, not user {user}",
            metadata.uid()
        )));
    }
    // Room for all of it at once, so that growing leaves no copy of the secret behind.
    let mut text = Zeroizing::new(String::with_capacity(
        metadata.len().min(MAX_LEN) as usize + 1,
    ));
    file.take(MAX_LEN + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_LEN {
        return Err(EndpointError::Malformed {
            path: path.to_owned(),
            reason: format!("it is longer than {MAX_LEN} bytes"),
        });
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn sample() -> EndpointFile {
        EndpointFile {
            version: ENDPOINT_VERSION,
            address: "127.0.0.1:7443".into(),
            access_key_id: "SDBA0123".into(),
            secret_access_key: Secret::new("hush-hush"),
            certificate_pin: format_pin(&[0xa5; 32]),
            pid: 17,
            server_version: "0.1.0".into(),
        }
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn write_then_read_is_identity_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/dir/endpoint.json");
        sample().write(&path).unwrap();
        sample().write(&path).unwrap();
        assert_eq!(EndpointFile::read(&path).unwrap(), sample());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "no temporary file is left");
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", sample()).contains("hush"));
    }

    #[test]
    fn readable_by_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endpoint.json");
        sample().write(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
            chmod(&path, mode);
            let error = EndpointFile::read(&path).unwrap_err();
            assert!(
                matches!(error, EndpointError::NotPrivate { .. }),
                "{mode:o}: {error}"
            );
        }
        assert!(matches!(
            EndpointFile::read(dir.path()).unwrap_err(),
            EndpointError::NotPrivate { .. }
        ));
    }

    #[test]
    fn other_versions_are_named_and_damage_never_quotes_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endpoint.json");
        let text = serde_json::to_string(&sample()).unwrap();
        write_owner_only(
            &path,
            text.replace("\"version\":1", "\"version\":2").as_bytes(),
        )
        .unwrap();
        assert!(matches!(
            EndpointFile::read(&path).unwrap_err(),
            EndpointError::Version { found: 2, .. }
        ));
        for damage in [
            text.replace("\"pid\":17", "\"pid\":\"hush-hush\""),
            text.replace("sha256:a5", "sha256:A5"),
            text[..text.len() - 1].to_owned(),
            text.replace("\"address\"", "\"adress\""),
        ] {
            write_owner_only(&path, damage.as_bytes()).unwrap();
            let error = EndpointFile::read(&path).unwrap_err();
            assert!(matches!(error, EndpointError::Malformed { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    #[test]
    fn the_order_of_discovery() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("D.run/endpoint.json");
        let home = dir.path().to_owned();
        let only_home = |name: &str| (name == "HOME").then(|| home.clone().into_os_string());
        let pointer = last_endpoint_pointer(only_home).unwrap();
        assert_eq!(pointer, home.join(".local/state/sealdb/last-endpoint"));
        assert!(matches!(
            locate(None, only_home).unwrap_err(),
            EndpointError::NotFound { .. }
        ));
        write_pointer(&pointer, &path).unwrap();
        assert_eq!(locate(None, only_home).unwrap(), path);
        let with_env = |name: &str| match name {
            ENDPOINT_FILE_ENV => Some("other.json".into()),
            _ => only_home(name),
        };
        assert_eq!(locate(None, with_env).unwrap(), PathBuf::from("other.json"));
        assert_eq!(
            locate(Some(Path::new("mine.json")), with_env).unwrap(),
            PathBuf::from("mine.json")
        );
        let runtime = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some("/run/user/7".into()),
            "XDG_STATE_HOME" => Some("relative".into()),
            _ => None,
        };
        assert_eq!(
            last_endpoint_pointer(runtime).unwrap(),
            PathBuf::from("/run/user/7/sealdb/last-endpoint")
        );
        assert!(matches!(
            last_endpoint_pointer(|name| (name == "XDG_STATE_HOME").then(|| "relative".into())),
            Err(EndpointError::NoHome)
        ));
    }

    #[test]
    fn pointers_hold_one_absolute_path() {
        let dir = tempfile::tempdir().unwrap();
        let pointer = dir.path().join("last-endpoint");
        for bad in ["relative/endpoint.json\n", "", "/a\n/b\n"] {
            write_owner_only(&pointer, bad.as_bytes()).unwrap();
            assert!(read_pointer(&pointer).is_err(), "{bad:?}");
        }
        assert!(write_pointer(&pointer, Path::new("relative")).is_err());
        write_pointer(&pointer, Path::new("/x/endpoint.json")).unwrap();
        chmod(&pointer, 0o644);
        assert!(matches!(
            read_pointer(&pointer).unwrap_err(),
            EndpointError::NotPrivate { .. }
        ));
    }

    #[test]
    fn pins_are_exact() {
        let pin = format_pin(&[0x0f; 32]);
        assert_eq!(parse_pin(&pin), Some([0x0f; 32]));
        for bad in [
            &pin[1..],
            &pin[..70],
            &pin.to_uppercase(),
            &format!("{pin}0"),
            &pin.replace("0f0", "0g0"),
            "sha256:é",
        ] {
            assert_eq!(parse_pin(bad), None, "{bad}");
        }
    }
}
