//! `sealdb-peers NAME`: a database that SealDB is measured beside, as a process that speaks the driver's protocol; `sealdb-peers http`, as
//! one that serves it in its own way.
//!
//! How each is set up, and why that is fair, stands in README.md.

use std::io::Write as _;
use std::process::ExitCode;

use sealdb_bench_driver::peer::Peer;
use sealdb_bench_driver::protocol::Opening;
use sealdb_bench_driver::{Failure, child};

mod bytes;
mod dynoxide;
mod fjall;
mod http;
mod redb;
mod sqlcipher;
mod sqlite;

/// As SealDB has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sealdb-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let name = arguments.next().unwrap_or_default();
    match &*name {
        "http" => http::serve(arguments),
        name => child::run(|opening| open(name, opening)),
    }
}

fn open(name: &str, opening: &Opening) -> Result<Box<dyn Peer>, Failure> {
    Ok(match name {
        "dynoxide" => Box::new(dynoxide::Dynoxide::plain(opening)?),
        "dynoxide-sqlcipher" => Box::new(dynoxide::Dynoxide::encrypted(opening)?),
        "fjall" => Box::new(fjall::Fjall::open(opening)?),
        "redb" => Box::new(redb::Redb::open(opening)?),
        "sqlcipher" => Box::new(sqlcipher::SqlCipher::open(opening)?),
        _ => return Err(format!("no database is called \"{name}\"").into()),
    })
}

/// The version of a crate in the lockfile that this program was built from.
fn version(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../Cargo.lock");
    let package = format!("name = \"{name}\"\nversion = \"");
    let version = LOCK
        .split_once(&package)
        .and_then(|(_, rest)| rest.split_once('"'));
    version.map_or("of unknown version", |(version, _)| version)
}

/// What a peer is, in one line.
fn about(crate_name: &str, settings: &str) -> String {
    format!("{crate_name} {}: {settings}", version(crate_name))
}

/// Megabytes of a cache, for people.
fn mib(opening: &Opening) -> usize {
    opening.cache_bytes >> 20
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sealdb_bench_driver::disk;
    use sealdb_bench_driver::items::Items;
    use sealdb_bench_driver::size::ItemSize;

    use super::*;

    /// `cargo test --release --manifest-path benches/peers/Cargo.toml`
    #[test]
    fn every_peer_gives_back_what_was_put_and_knows_its_files() {
        for name in [
            "dynoxide",
            "dynoxide-sqlcipher",
            "fjall",
            "redb",
            "sqlcipher",
        ] {
            for size in [100, 1024] {
                let dir = tempfile::tempdir().unwrap();
                let items = Items::new(300, ItemSize::Fixed(size));
                let opening = Opening {
                    cache_bytes: 8 << 20,
                    size: items.size,
                    dir: dir.path().to_owned(),
                };
                let peer = open(name, &opening).unwrap();
                assert!(!peer.about().contains("unknown"), "{}", peer.about());
                let loaded = (0..items.count).map(|number| (number, items.item(number, 0)));
                peer.load(loaded.collect()).unwrap();
                let (mut one, mut other) = (peer.client().unwrap(), peer.client().unwrap());
                assert_eq!(other.get(7).unwrap(), Some(items.item(7, 0)), "{name}");
                one.put(7, items.item(7, 1)).unwrap();
                assert_eq!(other.get(7).unwrap(), Some(items.item(7, 1)), "{name}");
                assert_eq!(one.get(8).unwrap(), Some(items.item(8, 0)), "{name}");
                assert_eq!(one.get(items.count).unwrap(), None, "{name}");
                assert_eq!(peer.scan().unwrap(), items.count, "{name}");
                let taken = || disk::taken(dir.path(), &|file| peer.is_log(file)).unwrap();
                assert!(name == "redb" || taken().log > 0, "{name}");
                peer.settle().unwrap();
                let pages = taken().all - taken().log;
                assert!(pages > items.count * size as u64, "{name}: {pages}");
                assert_eq!(peer.scan().unwrap(), items.count, "{name}");
            }
        }
        assert!(
            open(
                "nothing",
                &Opening {
                    cache_bytes: 1,
                    size: ItemSize::LogUniform,
                    dir: "/".into(),
                }
            )
            .is_err()
        );
    }

    /// Whoever reads the files of an encrypted database finds nothing of the items; of a plain one, the items.
    #[test]
    fn encrypted_means_encrypted() {
        for (name, encrypted) in [
            ("dynoxide", false),
            ("dynoxide-sqlcipher", true),
            ("sqlcipher", true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let items = Items::new(100, ItemSize::Fixed(100));
            let peer = open(
                name,
                &Opening {
                    cache_bytes: 8 << 20,
                    size: items.size,
                    dir: dir.path().to_owned(),
                },
            )
            .unwrap();
            peer.load(vec![(3, items.item(3, 0))]).unwrap();
            peer.settle().unwrap();
            let bytes = std::fs::read(dir.path().join("items.db")).unwrap();
            let plain = bytes.windows(12).any(|bytes| bytes == b"xxxxxxxxxxxx");
            assert_eq!(plain, !encrypted, "{name}");
        }
    }
}
