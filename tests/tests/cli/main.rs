//! The command line, end to end: the real `sealdb` against a real server, as a person or a script calls it.
#![allow(clippy::unwrap_used, missing_docs)]

mod files;
mod items;
mod keys;
mod mistakes;
mod tables;
