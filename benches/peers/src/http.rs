//! `sealdb-peers http NAME CACHE DIR`: dynoxide behind its own HTTP server, over an empty file in DIR, with CACHE bytes of memory for pages.
//!
//! Says in a line where it is and what it is, and ends with its standard input. Tables are made by whoever measures it.

use std::io::{Read as _, Write as _};

use ::dynoxide::server::serve_with_shutdown;
use sealdb_bench_driver::Failure;
use sealdb_bench_driver::protocol::Opening;
use sealdb_bench_driver::size::ItemSize;
use tokio::net::TcpListener;

use crate::dynoxide;

/// Serves until the standard input ends.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut argument = || arguments.next().ok_or("usage: http NAME CACHE DIR");
    let name = argument()?;
    let opening = Opening {
        cache_bytes: argument()?.parse()?,
        size: ItemSize::Fixed(1024),
        dir: argument()?.into(),
    };
    let encrypted = match &*name {
        "dynoxide" => false,
        "dynoxide-sqlcipher" => true,
        _ => return Err(format!("\"{name}\" has no server of its own").into()),
    };
    let (db, about) = dynoxide::database(&opening, encrypted)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        writeln!(std::io::stdout(), "{} {about}", listener.local_addr()?)?;
        let input = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let ended = async {
            let _ = input.await;
        };
        Ok(serve_with_shutdown(listener, db, ended).await?)
    })
}
