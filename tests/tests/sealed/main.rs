//! What one who holds the disk can read, and what he can change unnoticed: nothing.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod canary;
mod deletion;
mod remains;
mod stream_pages;
mod tamper;
mod trees;
