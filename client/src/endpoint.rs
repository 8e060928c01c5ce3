//! What a client needs to know of a server, and where it finds it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use sealdb_model::ErrorCode;
use sealdb_proto::endpoint::{EndpointFile, Secret, format_pin, locate, parse_pin};

use crate::error::Error;
use crate::retry::RetryPolicy;
use crate::tls;

/// A server's address, how to recognise it, a credential for it, and how patient to be.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) address: String,
    pub(crate) credential: Credential,
    pub(crate) trust: Trust,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) retry: RetryPolicy,
}

/// An access key. `Debug` hides the secret.
#[derive(Clone, Debug)]
pub struct Credential {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
}

impl Credential {
    /// An access key of this id and secret.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Secret::new(secret_access_key),
        }
    }
}

/// How the server's certificate is checked, before anything is sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Trust {
    /// It is the one with this SHA-256 (of its DER); names and dates are not looked at.
    Pin([u8; 32]),
    /// It is valid for the address's host, and signed by one of these authorities.
    Roots(Vec<CertificateDer<'static>>),
}

impl Trust {
    /// A pin as the endpoint file has it: `sha256:` and 64 lower-case hex digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn pin(pin: &str) -> Result<Self, Error> {
        parse_pin(pin).map(Self::Pin).ok_or_else(|| {
            Error::new(
                ErrorCode::ValidationException,
                "the pin is not sha256: and 64 lower-case hex digits",
            )
        })
    }

    /// Authorities from a PEM text.
    ///
    /// # Errors
    /// No PEM, or no certificate in it.
    pub fn roots_pem(pem: &[u8]) -> Result<Self, Error> {
        tls::roots_from_pem(pem).map(Self::Roots)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::Pin(pin) => write!(f, "Pin({})", format_pin(pin)),
            Trust::Roots(roots) => write!(f, "Roots({} certificates)", roots.len()),
        }
    }
}

impl Endpoint {
    /// A server at `host:port`.
    pub fn new(address: impl Into<String>, trust: Trust, credential: Credential) -> Self {
        Self {
            address: address.into(),
            credential,
            trust,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
        }
    }

    /// Finds a server of this user on this machine: the endpoint file that `$SEALDB_ENDPOINT_FILE` names, else the one
    /// of the server that was started last.
    ///
    /// # Errors
    /// None is there, or it is not private to the user, or malformed.
    pub fn discover() -> Result<Self, Error> {
        Self::read(&locate(None, |name| std::env::var_os(name))?)
    }

    /// Reads an endpoint file.
    ///
    /// # Errors
    /// It is not there, or not private to the user, or malformed.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read(path.as_ref())
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let file = EndpointFile::read(path)?;
        let trust = Trust::pin(&file.certificate_pin)?;
        let credential = Credential {
            access_key_id: file.access_key_id,
            secret_access_key: file.secret_access_key,
        };
        Ok(Self::new(file.address, trust, credential))
    }

    /// The address, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The id of the access key.
    pub fn access_key_id(&self) -> &str {
        &self.credential.access_key_id
    }

    /// Sets the credential.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// Sets how long connecting may take, TLS included. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets how long one try of a request may take. Default: 30 s.
    #[must_use]
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    /// Sets how often and when requests are sent again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
}
