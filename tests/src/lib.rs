//! What the end-to-end tests share.

pub mod disk;
pub mod judge;
