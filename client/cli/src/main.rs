//! `sealdb`: the command line of SealDB.

mod args;
mod commands;
mod connect;
mod error;
mod expressions;
mod output;
mod schema;
mod secrets;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::output::escaped_lines;

#[allow(clippy::print_stderr)]
fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealdb: {}", escaped_lines(&error.to_string()));
            for cause in error.causes() {
                eprintln!("  because: {}", escaped_lines(&cause));
            }
            ExitCode::from(error.exit_code())
        }
    }
}
