//! Is the keyring kept apart from the data that it protects?

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::KeyringError;

/// How far apart keyring and data lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separation {
    /// On different devices.
    Separate,
    /// On one device: whoever takes the disk has both. Worth a warning at each start; the root key still stands between.
    SameDevice,
}

/// Refuses a keyring inside the data directory, and tells whether both share a device. Neither needs to exist yet: what is
/// missing is judged by the nearest directory above.
///
/// # Errors
/// [`KeyringError::InsideData`], or an I/O error if a path cannot be resolved.
pub fn check_separate(keyring: &Path, data_dir: &Path) -> Result<Separation, KeyringError> {
    let (resolved_keyring, keyring_device) = resolve(keyring)?;
    let (resolved_data, data_device) = resolve(data_dir)?;
    if resolved_keyring.starts_with(&resolved_data) {
        return Err(KeyringError::InsideData {
            keyring: keyring.to_owned(),
            data_dir: data_dir.to_owned(),
        });
    }
    Ok(if keyring_device == data_device {
        Separation::SameDevice
    } else {
        Separation::Separate
    })
}

/// The path without links and dots, and the device of its nearest existing part.
fn resolve(path: &Path) -> Result<(PathBuf, u64), KeyringError> {
    let absolute =
        std::path::absolute(path).map_err(|error| KeyringError::io("resolve", path, error))?;
    let mut missing = Vec::new();
    for existing in absolute.ancestors() {
        match existing.canonicalize() {
            Ok(mut resolved) => {
                let device = std::fs::metadata(&resolved)
                    .map_err(|error| KeyringError::io("stat", existing, error))?
                    .dev();
                resolved.extend(missing.iter().rev());
                return Ok((resolved, device));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                missing.extend(existing.file_name());
            }
            Err(error) => return Err(KeyringError::io("resolve", existing, error)),
        }
    }
    Err(KeyringError::io(
        "resolve",
        path,
        std::io::Error::from(std::io::ErrorKind::NotFound),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_inside_the_data_is_refused_even_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let link = dir.path().join("elsewhere");
        std::os::unix::fs::symlink(&data, &link).unwrap();
        for inside in [
            data.join("k.keyring"),
            data.join("sub/dir/k.keyring"),
            link.join("k.keyring"),
        ] {
            assert!(
                matches!(
                    check_separate(&inside, &data),
                    Err(KeyringError::InsideData { .. })
                ),
                "{}",
                inside.display()
            );
        }
    }

    #[test]
    fn a_keyring_beside_the_data_shares_its_device() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let beside = dir.path().join("data.keyring");
        assert_eq!(
            check_separate(&beside, &data).unwrap(),
            Separation::SameDevice
        );
        std::fs::create_dir(&data).unwrap();
        assert_eq!(
            check_separate(&beside, &data).unwrap(),
            Separation::SameDevice
        );
    }

    #[test]
    fn another_device_is_told() {
        // /proc is a device of its own wherever Linux runs.
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            check_separate(&dir.path().join("k"), Path::new("/proc/self")).unwrap(),
            Separation::Separate
        );
    }
}
