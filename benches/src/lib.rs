//! sealdb-benches.
