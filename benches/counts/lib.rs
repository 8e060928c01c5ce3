//! The instructions of single calls: see `counts.rs`, which `scripts/counts` runs.
