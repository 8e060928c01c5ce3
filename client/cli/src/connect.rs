//! The server to talk to.

use std::path::PathBuf;

use sealdb_client::{Client, Endpoint};
use sealdb_proto::endpoint;

use crate::args::Global;
use crate::error::CliError;

/// The endpoint file that the user named, or the one that is found.
pub(crate) fn endpoint_file(global: &Global) -> Result<PathBuf, CliError> {
    Ok(endpoint::locate(global.endpoint_file.as_deref(), |name| {
        std::env::var_os(name)
    })?)
}

/// A client of that server. Its certificate's pin is checked before the secret is sent.
pub(crate) async fn client(global: &Global) -> Result<Client, CliError> {
    Ok(Client::connect(Endpoint::from_file(endpoint_file(global)?)?).await?)
}
