//! sealdb-engine.
