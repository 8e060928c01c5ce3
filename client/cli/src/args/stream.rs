//! `sealdb stream`: its grammar.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use sealdb_model::ops::{StreamSpecification, StreamViewType};

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Begin a stream of a table.
    Enable {
        /// Name of the table.
        table: String,
        /// What its records show.
        #[arg(long, value_name = "VIEW", default_value = "new-and-old-images")]
        view: View,
    },
    /// End a table's stream. It can be read for 24 hours.
    Disable {
        /// Name of the table.
        table: String,
    },
    /// List streams.
    List {
        /// Only those of this table.
        table: Option<String>,
    },
    /// Print the records of a table's latest stream as they come, a JSON object a line, from now on.
    Tail(TailArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Name of the table.
    pub(crate) table: String,
    /// From the oldest record on; records are kept for 24 hours.
    #[arg(long, conflicts_with = "after")]
    pub(crate) from_start: bool,
    /// From the record on that comes after the one with this number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<String>,
    /// End where there are no more records for now.
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// End after so many records.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

/// What the records of a stream show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum View {
    /// The item's key.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// Both.
    NewAndOldImages,
}

/// A stream of this view, or none: `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamSetting(Option<View>);

impl FromStr for StreamSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(StreamSetting(None)),
            view => View::from_str(view, false).map(|view| StreamSetting(Some(view))),
        }
    }
}

impl From<StreamSetting> for StreamSpecification {
    fn from(setting: StreamSetting) -> Self {
        match setting.0 {
            Some(view) => StreamSpecification::enabled(view.into()),
            None => StreamSpecification::disabled(),
        }
    }
}

impl From<View> for StreamViewType {
    fn from(view: View) -> Self {
        match view {
            View::KeysOnly => StreamViewType::KeysOnly,
            View::NewImage => StreamViewType::NewImage,
            View::OldImage => StreamViewType::OldImage,
            View::NewAndOldImages => StreamViewType::NewAndOldImages,
        }
    }
}
