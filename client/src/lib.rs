//! sealdb-client.
