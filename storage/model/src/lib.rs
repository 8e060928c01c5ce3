//! sealdb-model.
