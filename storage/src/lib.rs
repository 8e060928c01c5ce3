//! sealdb.
