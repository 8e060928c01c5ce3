//! TLS 1.3 and nothing older, with rustls on aws-lc-rs.
//!
//! On loopback a self-signed certificate is made once and kept in the run directory, so that its pin stays the same
//! over restarts. Any other address needs a certificate that the operator gives. The pin is the SHA-256 of the server's
//! own certificate in DER: what a client compares before it sends a secret.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::files;

/// No key or chain of certificates is longer than this.
const PEM_LIMIT: u64 = 1 << 20;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no certificate or no key.
    #[error("{path} holds no {what} in PEM")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// "certificate" or "private key".
        what: &'static str,
    },
    /// The self-signed certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// Certificate and key do not fit, or rustls refuses them.
    #[error("cannot use the certificate {path}: {source}")]
    Refused {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// A certificate ready to serve with.
pub struct Identity {
    /// For tokio-rustls.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the server's own certificate.
    pub pin: [u8; 32],
    /// The file of the certificate, for `grpcurl -cacert`.
    pub certificate: PathBuf,
    /// Made by ourselves, not by the operator.
    pub self_signed: bool,
}

impl Identity {
    /// The operator's certificate, or the self-signed one of the run directory, made if it is missing.
    pub fn load(given: Option<&TlsFiles>, run_dir: &Path) -> Result<Identity, TlsError> {
        match given {
            Some(files) => Self::read(&files.cert, &files.key, false),
            None => {
                let (cert, key) = (run_dir.join("tls.crt"), run_dir.join("tls.key"));
                // Crash here, between the two: the key alone stays, and both are made anew.
                if !cert.exists() || !key.exists() {
                    make_self_signed(&cert, &key)?;
                }
                Self::read(&cert, &key, true)
            }
        }
    }

    /// The same certificate for HTTP/1.1.
    pub(crate) fn for_http(&self) -> TlsAcceptor {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    fn read(cert: &Path, key: &Path, self_signed: bool) -> Result<Identity, TlsError> {
        let pem = std::fs::read(cert).map_err(|source| TlsError::File {
            path: cert.to_owned(),
            source,
        })?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Pem {
                path: cert.to_owned(),
                what: "certificate",
            })?;
        let Some(own) = chain.first() else {
            return Err(TlsError::Pem {
                path: cert.to_owned(),
                what: "certificate",
            });
        };
        let pin = sha256(own);
        let pem =
            zeroize::Zeroizing::new(files::read_provided(key, PEM_LIMIT).map_err(|source| {
                TlsError::File {
                    path: key.to_owned(),
                    source,
                }
            })?);
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::Pem {
            path: key.to_owned(),
            what: "private key",
        })?;
        let refused = |source| TlsError::Refused {
            path: cert.to_owned(),
            source,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(refused)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(refused)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // No resumption: its tickets would outlive a changed certificate, and a handshake costs a connection only once.
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(Identity {
            config: Arc::new(config),
            pin,
            certificate: cert.to_owned(),
            self_signed,
        })
    }
}

/// SHA-256, as the pin uses it.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

/// ECDSA P-256: every client in use can check it.
fn make_self_signed(cert: &Path, key: &Path) -> Result<(), TlsError> {
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "sealdb on this machine");
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Clients pin it, so an end date would protect nobody and break a running service at night.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    let made = params.self_signed(&pair)?;
    let secret = zeroize::Zeroizing::new(pair.serialize_pem());
    files::replace(key, secret.as_bytes()).map_err(|source| TlsError::File {
        path: key.to_owned(),
        source,
    })?;
    files::replace(cert, made.pem().as_bytes()).map_err(|source| TlsError::File {
        path: cert.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_self_signed_certificate_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::load(None, dir.path()).unwrap();
        let second = Identity::load(None, dir.path()).unwrap();
        assert!(first.self_signed);
        assert_eq!(first.pin, second.pin);
        let mode = std::fs::metadata(dir.path().join("tls.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(dir.path().join("tls.crt")).unwrap();
        let third = Identity::load(None, dir.path()).unwrap();
        assert_ne!(first.pin, third.pin);
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Identity::load(None, one.path()).unwrap();
        Identity::load(None, two.path()).unwrap();
        let load = |cert: &Path, key: &Path| {
            let files = TlsFiles {
                cert: cert.to_owned(),
                key: key.to_owned(),
            };
            Identity::load(Some(&files), one.path()).map(|identity| identity.self_signed)
        };
        let (cert, key) = (one.path().join("tls.crt"), one.path().join("tls.key"));
        assert!(!load(&cert, &key).unwrap());
        assert!(matches!(
            load(&cert, &two.path().join("tls.key")),
            Err(TlsError::Refused { .. })
        ));
        assert!(matches!(
            load(&key, &key),
            Err(TlsError::Pem {
                what: "certificate",
                ..
            })
        ));
        let copied = one.path().join("copied");
        files::replace(&copied, &std::fs::read(&cert).unwrap()).unwrap();
        assert!(matches!(
            load(&cert, &copied),
            Err(TlsError::Pem {
                what: "private key",
                ..
            })
        ));
        assert!(matches!(
            load(&one.path().join("none"), &key),
            Err(TlsError::File { .. })
        ));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Identity::load(None, dir.path()).unwrap();
        let key = dir.path().join("tls.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Identity::load(None, dir.path()),
            Err(TlsError::File { .. })
        ));
    }
}
