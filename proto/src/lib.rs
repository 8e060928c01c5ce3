//! sealdb-proto.
