//! sealdb-cli.
