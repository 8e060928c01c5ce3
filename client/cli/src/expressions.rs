//! What the placeholders of the command line's expressions stand for.

use std::collections::BTreeMap;

use sealdb_model::Map;
use sealdb_proto::json;

use crate::args::PlaceholderArgs;
use crate::error::CliError;

impl PlaceholderArgs {
    /// `--names`.
    pub(crate) fn names(&self) -> Result<Option<BTreeMap<String, String>>, CliError> {
        names(self.names.as_deref())
    }

    /// `--values`.
    pub(crate) fn values(&self) -> Result<Option<Map>, CliError> {
        let parse = |text: &str| json::parse(text).and_then(json::item_from_json);
        self.values
            .as_deref()
            .map(parse)
            .transpose()
            .map_err(|error| CliError::usage(format!("--values: {error}")))
    }
}

/// Names by placeholder, as JSON.
pub(crate) fn names(text: Option<&str>) -> Result<Option<BTreeMap<String, String>>, CliError> {
    text.map(serde_json::from_str)
        .transpose()
        .map_err(|error| CliError::usage(format!("--names: {error}")))
}
