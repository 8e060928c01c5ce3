//! sealdb-server.
