//! What each command does, one file each.

mod alter;
mod audit;
mod closed;
mod credential;
mod dev;
mod endpoint;
mod export;
mod import;
mod item;
mod key;
mod policy;
mod query;
mod rekey;
mod sql;
mod stream;
mod table;

use clap::CommandFactory;

use crate::args::{Cli, Command, KeyCommand};
use crate::error::CliError;
use crate::output::Output;

/// Runs one command line.
pub(crate) fn run(cli: Cli) -> Result<(), CliError> {
    let output = Output {
        json: cli.global.json,
        quiet: cli.global.quiet,
    };
    let global = cli.global;
    match cli.command {
        // Work on directories: no server, no runtime.
        Command::Key(KeyCommand::Tables(command)) => block_on(rekey::run(command, &global, output)),
        Command::Key(command) => key::run(command, output),
        Command::Credential(command) => credential::run(command, output),
        Command::Audit(command) => audit::run(&command, output),
        Command::Check(args) => closed::check(&args, output),
        Command::Compact(args) => closed::compact(&args, output),
        Command::Copy(args) => closed::copy(&args, output),
        Command::Endpoint(args) => endpoint::run(&global, &args, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sealdb", &mut script);
            crate::output::print(String::from_utf8_lossy(&script).trim_end())
        }
        // Is a server.
        Command::Dev(args) => block_on(dev::run(args, output)),
        // Talk to a server.
        Command::Table(command) => block_on(table::run(command, &global, output)),
        Command::Item(command) => block_on(item::run(command, &global, output)),
        Command::Stream(command) => block_on(stream::run(command, &global, output)),
        Command::Query(args) => block_on(query::query(args, &global, output)),
        Command::Scan(args) => block_on(query::scan(args, &global, output)),
        Command::Sql(args) => block_on(sql::run(args, &global, output)),
        Command::Import(args) => block_on(import::run(args, &global, output)),
        Command::Export(args) => block_on(export::run(args, &global, output)),
    }
}

fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CliError::usage(format!("cannot start: {source}")))?;
    runtime.block_on(work)
}
