//! sealdb-crypto.
