//! sealdb-tests.
