//! Where plaintext keys may travel: through TLS, or not leave the machine.

use std::net::{IpAddr, SocketAddr};

use crate::error::SetupError;

/// Accepts `https://`, and `http://` to a loopback address.
pub(crate) fn check(url: &str) -> Result<(), SetupError> {
    let private = url.starts_with("https://") || url.strip_prefix("http://").is_some_and(loopback);
    if private {
        return Ok(());
    }
    Err(SetupError::Invalid(format!(
        "{url} must begin with https:// (or http:// for a loopback address): keys travel through it"
    )))
}

fn loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    if let Ok(address) = authority.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address.is_loopback();
    }
    authority.split(':').next() == Some("localhost") && !authority.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_travel_through_tls_or_stay_on_the_machine() {
        for url in [
            "https://vault.example:8200",
            "http://127.0.0.1:8200",
            "http://127.0.0.1",
            "http://localhost:8200/prefix",
            "http://[::1]:8200",
            "http://[::1]",
        ] {
            assert!(check(url).is_ok(), "{url}");
        }
        for url in [
            "http://vault.example:8200",
            "http://10.0.0.1:8200",
            "http://127.0.0.1.example",
            "http://localhost:x@vault.example",
            "http://localhost.example",
            "vault.example:8200",
            "",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
    }
}
