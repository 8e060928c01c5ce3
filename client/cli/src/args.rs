//! The grammar of the command line. What a command does stands in `commands/`, one file each.

mod audit;
mod directories;
mod key;
mod rekey;
mod stream;
mod table;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub(crate) use audit::{AuditCommand, FilterArgs, VerifyArgs};
pub(crate) use directories::{
    ClosedArgs, CopyArgs, CredentialArgs, CredentialCommand, DatabaseArgs, KeyringArgs, RootArgs,
};
pub(crate) use key::{AliasCommand, GrantCommand, KeyCommand, NewRootArgs, OneKey};
pub(crate) use rekey::{ScopeArgs, TableKeyCommand};
pub(crate) use stream::{StreamCommand, StreamSetting, TailArgs, View};
pub(crate) use table::{Class, IndexArgs, SettingArgs, TableCommand, TagArgs};

/// Encrypted-at-rest, DynamoDB-like tables: the command line.
#[derive(Debug, Parser)]
#[command(
    name = "sealdb",
    version,
    about,
    max_term_width = 110,
    propagate_version = true
)]
#[command(after_help = "\
Commands for tables and items talk to a running server. They find it by --endpoint-file, then $SEALDB_ENDPOINT_FILE, then
the server of yours that was started last. Commands for keys, credentials, the audit trail and closed databases work on
the directories themselves.

Examples:
  sealdb dev
  sealdb table create airports --pk country:S --sk icao:S
  sealdb import airports airports.csv --number elevation,lat,lon
  sealdb query airports --pk IS --sk-begins-with BIR --limit 5
  sealdb scan airports --filter 'elevation > :e' --values '{\":e\": {\"N\": \"5000\"}}'
  sealdb item put airports '{\"country\": \"XX\", \"icao\": \"XX01\", \"name\": \"Nowhere\"}'
  sealdb sql \"SELECT name FROM airports WHERE country = 'IS' AND elevation > 500\"")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Endpoint file of the server to talk to.
    #[arg(long, global = true, env = "SEALDB_ENDPOINT_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) endpoint_file: Option<PathBuf>,
    /// Output for programs: JSON, attribute values in DynamoDB's notation.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress bars and no remarks on stderr.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, list, describe, update and delete tables; their tags and time to live.
    #[command(subcommand)]
    Table(TableCommand),
    /// Put, get, update and delete items, one, many or in a transaction.
    #[command(subcommand)]
    Item(ItemCommand),
    /// Follow what becomes of a table's items; enable, disable and list streams.
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Read the items of one partition key, in the order of the sort key.
    Query(QueryArgs),
    /// Read all items of a table.
    Scan(ScanArgs),
    /// Carry out statements in PartiQL, DynamoDB's SQL.
    Sql(SqlArgs),
    /// Load items from a file of JSON lines or CSV.
    Import(ImportArgs),
    /// Write all items of a table to a file of JSON lines or CSV.
    Export(ExportArgs),
    /// Keys of a local keyring: make, rotate, disable and delete them, import their material; back the keyring up. And of a
    /// server's tables: rewrap and rekey them, check the proof, show what depends on a key.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Credentials of a server: create, list, revoke.
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// The audit trail: who used which key, changed which table, was refused. Read, search, export and verify it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Start a server for development, with lines to paste for boto3, the AWS CLI and the SDKs.
    Dev(DevArgs),
    /// Print how to reach the server, with ready-made lines for grpcurl.
    Endpoint(EndpointArgs),
    /// Verify every block of a closed database, and its trees.
    Check(ClosedArgs),
    /// Give the free space of a closed database back.
    Compact(ClosedArgs),
    /// Copy a closed database, sealed as it is.
    Copy(CopyArgs),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ItemCommand {
    /// Put an item, in place of the one with the same key.
    Put {
        /// Name of the table.
        table: String,
        /// The item as JSON, plain or in DynamoDB's notation (--typed); "-" reads it from stdin.
        item: String,
        /// The JSON is in DynamoDB's notation: {"id": {"S": "x"}}.
        #[arg(long)]
        typed: bool,
        /// Print the item that stood there before.
        #[arg(long)]
        return_old: bool,
        #[command(flatten)]
        condition: ConditionArgs,
    },
    /// Get the item with a key. Exit code 1 if there is none.
    Get {
        #[command(flatten)]
        key: ItemKey,
        #[command(flatten)]
        projection: ProjectionArgs,
    },
    /// Get the items with many keys.
    BatchGet {
        /// Name of the table.
        table: String,
        /// The keys, a JSON object a line; "-" reads stdin.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The JSON is in DynamoDB's notation: {"id": {"S": "x"}}.
        #[arg(long)]
        typed: bool,
        #[command(flatten)]
        projection: ProjectionArgs,
    },
    /// Change attributes of the item with a key, or make one.
    Update {
        #[command(flatten)]
        key: ItemKey,
        #[command(flatten)]
        change: ChangeArgs,
        #[command(flatten)]
        condition: ConditionArgs,
        /// Print attributes of the item: all of it as it was or is, or what was changed.
        #[arg(long = "return", value_name = "WHICH")]
        returned: Option<Returned>,
    },
    /// Delete the item with a key.
    Delete {
        #[command(flatten)]
        key: ItemKey,
        /// Print the item that stood there before.
        #[arg(long)]
        return_old: bool,
        #[command(flatten)]
        condition: ConditionArgs,
    },
    /// Write several items of any tables, all of them or none.
    Transact {
        /// The input of TransactWriteItems as JSON, or its list of TransactItems alone; "-" reads stdin.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// What an update does: clauses of an UpdateExpression.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ChangeArgs {
    /// Set attributes: "a = :v", "n = n + :one", "l = list_append(l, :more)".
    #[arg(long, value_name = "ASSIGNMENT")]
    pub(crate) set: Vec<String>,
    /// Remove attributes, or elements of lists.
    #[arg(long, value_name = "PATH")]
    pub(crate) remove: Vec<String>,
    /// Add to numbers, or elements to sets: "n :one".
    #[arg(long, value_name = "PATH VALUE")]
    pub(crate) add: Vec<String>,
    /// Delete elements of sets: "s :gone".
    #[arg(long, value_name = "PATH VALUE")]
    pub(crate) delete: Vec<String>,
}

/// Which attributes an update prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Returned {
    /// The item as it was.
    Old,
    /// The item as it is.
    New,
    /// What was changed, as it was.
    UpdatedOld,
    /// What was changed, as it is.
    UpdatedNew,
}

/// Under which condition a write happens.
#[derive(Debug, Args)]
pub(crate) struct ConditionArgs {
    /// Write only if this holds of the item as it is: "attribute_not_exists(id)". Exit code 1 if not.
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) condition: Option<String>,
    #[command(flatten)]
    pub(crate) placeholders: PlaceholderArgs,
}

/// What the placeholders of expressions stand for.
#[derive(Debug, Args)]
pub(crate) struct PlaceholderArgs {
    /// ExpressionAttributeValues in DynamoDB's notation: {":v": {"S": "x"}}.
    #[arg(long, value_name = "JSON")]
    pub(crate) values: Option<String>,
    /// ExpressionAttributeNames: {"#n": "name"}.
    #[arg(long, value_name = "JSON")]
    pub(crate) names: Option<String>,
}

/// What a read shows of an item.
#[derive(Debug, Args)]
pub(crate) struct ProjectionArgs {
    /// Show only these attributes: "name, address.city".
    #[arg(long, value_name = "PATHS")]
    pub(crate) projection: Option<String>,
    /// ExpressionAttributeNames: {"#n": "name"}.
    #[arg(long, value_name = "JSON", requires = "projection")]
    pub(crate) names: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ItemKey {
    /// Name of the table.
    pub(crate) table: String,
    /// Value of the partition key, as the table's schema has it: text, number, or base64 for bytes.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) pk: String,
    /// Value of the sort key.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) sk: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("condition").args(["sk", "sk_begins_with", "sk_between", "sk_lt", "sk_le", "sk_gt", "sk_ge"])))]
#[command(group(ArgGroup::new("partition").args(["pk", "expression"]).required(true)))]
pub(crate) struct QueryArgs {
    /// Name of the table.
    pub(crate) table: String,
    /// Value of the partition key.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) pk: Option<String>,
    /// Sort key equals.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) sk: Option<String>,
    /// Sort key begins with (text and bytes).
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) sk_begins_with: Option<String>,
    /// Sort key lies between, both ends included.
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], allow_hyphen_values = true)]
    pub(crate) sk_between: Option<Vec<String>>,
    /// Sort key is less than.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) sk_lt: Option<String>,
    /// Sort key is at most.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) sk_le: Option<String>,
    /// Sort key is greater than.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) sk_gt: Option<String>,
    /// Sort key is at least.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) sk_ge: Option<String>,
    /// A KeyConditionExpression instead of --pk, with --values and --names.
    #[arg(long, conflicts_with = "condition", requires = "values")]
    pub(crate) expression: Option<String>,
    /// From the largest sort key down.
    #[arg(long)]
    pub(crate) reverse: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Name of the table.
    pub(crate) table: String,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// What a query or a scan reads and shows.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// At most so many items. Without it all of them, page by page.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Only count.
    #[arg(long, conflicts_with = "projection")]
    pub(crate) count: bool,
    /// Read an index of the table. --pk and its companions then mean the index's key.
    #[arg(long, value_name = "NAME")]
    pub(crate) index: Option<String>,
    /// Show only the items that this holds for: "elevation > :e".
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) filter: Option<String>,
    /// Show only these attributes: "name, address.city".
    #[arg(long, value_name = "PATHS")]
    pub(crate) projection: Option<String>,
    #[command(flatten)]
    pub(crate) placeholders: PlaceholderArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Names of tables and attributes that are words of SQL stand in double quotes, text in single ones.

Examples:
  sealdb sql \"SELECT * FROM airports WHERE country = 'IS' ORDER BY icao DESC\" --limit 3
  sealdb sql 'SELECT * FROM \"airports\".\"by-name\" WHERE name = ?' --parameters '[{\"S\": \"Akureyri\"}]'
  sealdb sql \"UPDATE airports SET elevation = 7 WHERE country = 'IS' AND icao = 'BIAR' RETURNING ALL NEW *\"
  sealdb sql --transact \"INSERT INTO stock VALUE {'id': 'saw'}\" \"DELETE FROM orders WHERE id = 7\"")]
pub(crate) struct SqlArgs {
    /// The statement; "-" reads it from stdin. Of several each is carried out by itself, in their order.
    #[arg(required = true, value_name = "STATEMENT")]
    pub(crate) statements: Vec<String>,
    /// What the question marks stand for, in DynamoDB's notation: [{"S": "x"}, {"N": "1"}]. For one statement.
    #[arg(long, value_name = "JSON")]
    pub(crate) parameters: Option<String>,
    /// All statements or none of them: each of one item, and all of them reading or all of them writing.
    #[arg(long, conflicts_with_all = ["parameters", "limit"])]
    pub(crate) transact: bool,
    /// At most so many items. Without it all of them, page by page.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
}

/// Format of a file of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values under a header line.
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Name of the table; it must exist.
    pub(crate) table: String,
    /// The file; "-" reads stdin.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Format; by default told from the file's name.
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// JSON lines are in DynamoDB's notation: {"id": {"S": "x"}} (what `export` writes by default).
    #[arg(long)]
    pub(crate) typed: bool,
    /// CSV columns that hold numbers. Key columns follow the table's schema.
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub(crate) number: Vec<String>,
    /// Leave empty CSV fields out instead of storing empty text.
    #[arg(long)]
    pub(crate) skip_empty: bool,
    /// Batches under way at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: u16,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Name of the table.
    pub(crate) table: String,
    /// The file, which must not exist; "-" writes to stdout.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Format; by default told from the file's name.
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// Plain JSON lines instead of DynamoDB's notation. Sets and bytes lose their type.
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Directory of the database [default: sealdb/dev in $XDG_DATA_HOME or ~/.local/share].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Port of the DynamoDB protocol on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct EndpointArgs {
    /// Print the secret too, so that the lines can be pasted as they are.
    #[arg(long)]
    pub(crate) show_secret: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_query_takes_one_condition_and_negative_numbers() {
        let cli = Cli::try_parse_from([
            "sealdb",
            "query",
            "t",
            "--pk",
            "-5",
            "--sk-between",
            "-2",
            "3",
            "--reverse",
        ])
        .unwrap();
        let Command::Query(query) = cli.command else {
            panic!("not a query")
        };
        assert_eq!(query.pk.as_deref(), Some("-5"));
        assert_eq!(
            query.sk_between,
            Some(vec!["-2".to_owned(), "3".to_owned()])
        );
        assert!(query.reverse);

        let two = Cli::try_parse_from([
            "sealdb", "query", "t", "--pk", "a", "--sk", "b", "--sk-lt", "c",
        ]);
        assert!(two.is_err());
        assert!(
            Cli::try_parse_from(["sealdb", "query", "t"]).is_err(),
            "no partition key"
        );
    }
}
