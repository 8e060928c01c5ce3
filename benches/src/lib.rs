//! The null sealer, and what the harness and the benches share.

pub mod null;
