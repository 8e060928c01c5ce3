//! Every provider of keys through the same suite: the calls of the `Kms` trait, and the life of a table under one of its keys.
//!
//! What each is tried with: the keyring itself; HashiCorp's own core with the transit engine, which `scripts/test` builds from
//! `tests/vault`; SoftHSM2, the token in software of Debian and others; and for AWS KMS moto, with a stand-in for the refusals that it lacks.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod aws;
mod keyring;
mod life;
mod pkcs11;
mod process;
mod server;
mod suite;
mod vault;
