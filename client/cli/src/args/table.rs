//! `sealdb table`: its grammar.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use crate::args::{StreamSetting, View};

#[derive(Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// Create a table, sealed under a key of its own.
    Create {
        /// Name of the table.
        table: String,
        /// Partition key: NAME:S, NAME:N or NAME:B.
        #[arg(long, value_name = "NAME:TYPE")]
        pk: String,
        /// Sort key: NAME:S, NAME:N or NAME:B.
        #[arg(long, value_name = "NAME:TYPE")]
        sk: Option<String>,
        /// KMS key that wraps the table's key: id, alias, or arn:…, vault:…, pkcs11:… of another provider. Without it the server's default key.
        #[arg(long, value_name = "KEY", visible_alias = "key")]
        kms_key: Option<String>,
        #[command(flatten)]
        indexes: IndexArgs,
        /// What AWS would charge by; kept and told.
        #[arg(long)]
        class: Option<Class>,
        /// Refuse to delete the table until it is unprotected.
        #[arg(long)]
        protect: bool,
        /// Tag of the table. May be given several times.
        #[arg(long, value_name = "KEY=VALUE")]
        tag: Vec<String>,
        /// With a stream, and what its records show.
        #[arg(long, value_name = "VIEW")]
        stream: Option<View>,
    },
    /// List tables.
    List,
    /// Describe a table: keys, size, item count, encryption.
    Describe {
        /// Name of the table.
        table: String,
    },
    /// Change a table while it is in use: indexes, billing, class, protection, KMS key.
    #[command(after_help = "\
Examples:
  sealdb table update airports --add-gsi by-name=name:S
  sealdb table update airports --drop-gsi by-name
  sealdb table update airports --protect --class infrequent-access
  sealdb table update airports --kms-key alias/airports")]
    Update {
        /// Name of the table.
        table: String,
        #[command(flatten)]
        settings: SettingArgs,
    },
    /// Show or change by which attribute items expire: seconds since 1970.
    #[command(group(ArgGroup::new("change").args(["enable", "disable"])))]
    Ttl {
        /// Name of the table.
        table: String,
        /// Items expire at the time in this attribute.
        #[arg(long, value_name = "ATTRIBUTE")]
        enable: Option<String>,
        /// Items expire no more.
        #[arg(long)]
        disable: bool,
    },
    /// Show or change the tags of a table.
    Tags(TagArgs),
    /// Delete a table, its items and its key. There is no way back.
    Delete {
        /// Name of the table.
        table: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// The indexes of a new table.
#[derive(Debug, Args)]
pub(crate) struct IndexArgs {
    /// Global index: its name, its partition key and maybe a sort key, and what it holds beside the keys (";keys-only" or
    /// ";include=NAME,..."; without it everything). May be given several times.
    #[arg(long, value_name = "NAME=KEY:TYPE[,KEY:TYPE][;...]")]
    pub(crate) gsi: Vec<String>,
    /// Local index, likewise: its name and its sort key.
    #[arg(long, value_name = "NAME=KEY:TYPE[;...]")]
    pub(crate) lsi: Vec<String>,
}

/// What can be changed about a table.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SettingArgs {
    /// Make a global index and fill it from the table; written as for "table create --gsi".
    #[arg(
        long,
        value_name = "NAME=KEY:TYPE[,KEY:TYPE][;...]",
        conflicts_with = "drop_gsi"
    )]
    pub(crate) add_gsi: Option<String>,
    /// Remove a global index.
    #[arg(long, value_name = "NAME")]
    pub(crate) drop_gsi: Option<String>,
    /// Bill by request; kept and told, nothing is limited by it.
    #[arg(long, conflicts_with = "provisioned")]
    pub(crate) on_demand: bool,
    /// Bill by capacity units, of the table and of each of its global indexes.
    #[arg(long, value_name = "READ,WRITE")]
    pub(crate) provisioned: Option<String>,
    /// What AWS would charge by; kept and told.
    #[arg(long)]
    pub(crate) class: Option<Class>,
    /// Begin a stream whose records show this, or end it; as "stream enable" and "stream disable" do.
    #[arg(long, value_name = "VIEW|off")]
    pub(crate) stream: Option<StreamSetting>,
    /// Refuse to delete the table.
    #[arg(long, conflicts_with = "unprotect")]
    pub(crate) protect: bool,
    /// Let the table be deleted.
    #[arg(long)]
    pub(crate) unprotect: bool,
    /// Wrap the table's key under this KMS key: id, alias, arn:…, vault:…, pkcs11:…, or "default". The data stays as it is.
    #[arg(long, value_name = "KEY", visible_alias = "key")]
    pub(crate) kms_key: Option<String>,
}

/// The class of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Class {
    /// The usual one.
    Standard,
    /// For data that is seldom read.
    InfrequentAccess,
}

/// Which tags change; without any, all are shown.
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Name of the table.
    pub(crate) table: String,
    /// Give the table a tag, or a tag another value. May be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Take a tag away. May be given several times.
    #[arg(long, value_name = "KEY")]
    pub(crate) remove: Vec<String>,
}
