//! The endpoint file of a running server: written when it listens, taken away when it stops, if it is still its own.
//!
//! What the files hold and how clients find them stands in [`sealdb_proto::endpoint`].

use std::path::{Path, PathBuf};

use sealdb_proto::endpoint::{
    ENDPOINT_VERSION, EndpointError, EndpointFile, Secret, format_pin, last_endpoint_pointer,
    read_pointer, write_pointer,
};

use crate::credentials::Credential;

/// An endpoint file that this process wrote.
pub struct Published {
    path: PathBuf,
    pointer: Option<PathBuf>,
    address: String,
    pin: [u8; 32],
}

impl Published {
    /// Writes `endpoint.json` into the run directory; if asked to, makes the pointer name it before that.
    ///
    /// A pointer that cannot be written is a warning: clients can still be given the file by name.
    pub fn write(
        run_dir: &Path,
        address: std::net::SocketAddr,
        pin: [u8; 32],
        credential: &Credential,
        point: bool,
    ) -> Result<Published, EndpointError> {
        let path = run_dir.join("endpoint.json");
        let path = std::path::absolute(&path).map_err(|source| EndpointError::Io {
            verb: "find",
            path: path.clone(),
            source,
        })?;
        let mut published = Published {
            path,
            pointer: None,
            address: address.to_string(),
            pin,
        };
        // The pointer first: whoever waits for the endpoint file can then rely on both. Until it is there, clients that
        // follow the pointer are told that no server answers, which is true.
        if point {
            let pointed =
                last_endpoint_pointer(|name| std::env::var_os(name)).and_then(|pointer| {
                    write_pointer(&pointer, &published.path)?;
                    Ok(pointer)
                });
            match pointed {
                Ok(pointer) => published.pointer = Some(pointer),
                Err(error) => tracing::warn!(
                    %error,
                    "clients do not find this server by themselves; name its endpoint file with --endpoint-file"
                ),
            }
        }
        if let Err(error) = published.renew(credential) {
            if let Some(pointer) = &published.pointer {
                let _ = std::fs::remove_file(pointer);
            }
            return Err(error);
        }
        Ok(published)
    }

    /// Writes the file again with another credential.
    pub fn renew(&self, credential: &Credential) -> Result<(), EndpointError> {
        EndpointFile {
            version: ENDPOINT_VERSION,
            address: self.address.clone(),
            access_key_id: credential.access_key_id.clone(),
            secret_access_key: Secret::new(credential.secret.as_str()),
            certificate_pin: format_pin(&self.pin),
            pid: std::process::id(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
        .write(&self.path)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file and the pointer unless another server has put its own there since.
    pub fn remove(self) {
        let ours = EndpointFile::read(&self.path)
            .is_ok_and(|file| file.pid == std::process::id() && file.address == self.address);
        if !ours {
            return;
        }
        if let Some(pointer) = &self.pointer
            && read_pointer(pointer).is_ok_and(|target| target == self.path)
        {
            // Nothing depends on it: a pointer to a missing file is told apart by clients.
            let _ = std::fs::remove_file(pointer);
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the endpoint file stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn publish(dir: &Path, port: u16) -> Published {
        let credential = Credential::generate("local", true, 0).unwrap();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Published::write(dir, address, [7; 32], &credential, false).unwrap()
    }

    #[test]
    fn the_file_goes_with_its_server_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = publish(dir.path(), 1);
        let second = publish(dir.path(), 2);
        let path = second.path().to_owned();
        first.remove();
        assert_eq!(EndpointFile::read(&path).unwrap().address, "127.0.0.1:2");
        second.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_renewed_file_holds_the_other_credential() {
        let dir = tempfile::tempdir().unwrap();
        let published = publish(dir.path(), 1);
        let other = Credential::generate("local", true, 0).unwrap();
        published.renew(&other).unwrap();
        let read = EndpointFile::read(published.path()).unwrap();
        assert_eq!(read.access_key_id, other.access_key_id);
        assert_eq!(read.secret_access_key.expose(), other.secret.as_str());
        assert_eq!(read.pin(), Some([7; 32]));
    }
}
