//! Model <-> messages, by value: strings and binaries are moved, never copied.
//!
//! | direction | trait | fails |
//! |---|---|---|
//! | model → message | `From` | never |
//! | message → model | `TryFrom` | with a [`WireError`] that names the field |
//!
//! An empty map or list becomes a message as an absent one does: protobuf knows no other. Nesting beyond [`sealdb_model::MAX_DEPTH`] is refused, so a conversion to the model recurses no deeper. One to
//! a message recurses as deep as its value is nested.

mod batches;
mod field;
mod items;
mod parameter;
mod partiql;
mod streams;
mod tables;
mod transactions;
mod value;

#[cfg(test)]
mod request_strategies;
#[cfg(test)]
pub(crate) mod strategies;
#[cfg(test)]
mod tests;

use std::fmt;

use sealdb_model::{ErrorCode, ValidationError};

/// Why a message does not become a model value: where, and what is wrong. Retrying it unchanged cannot succeed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct WireError {
    path: String,
    problem: String,
}

/// Longest part of an attribute's name that a path quotes, in characters.
const QUOTED_NAME: usize = 64;

/// Of a message that is taken as it is.
impl From<std::convert::Infallible> for WireError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl WireError {
    fn new(path: &str, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// A problem of the value itself; its place is added by [`WireError::under`] on the way up.
    pub(crate) fn here(problem: impl Into<String>) -> Self {
        Self::new("", problem)
    }

    fn missing(field: &str) -> Self {
        Self::new(field, "is missing")
    }

    /// The same error, seen from one level up.
    pub(crate) fn under(mut self, segment: &str) -> Self {
        let segment: String = segment.chars().take(QUOTED_NAME).collect();
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{segment}{dot}{}", self.path);
        self
    }

    pub(crate) fn at_index(self, index: usize) -> Self {
        self.under(&format!("[{index}]"))
    }

    /// Where: fields and attribute names joined by dots, and positions in brackets: `item.address.lines[2]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// Always [`ErrorCode::ValidationException`].
    pub fn code(&self) -> ErrorCode {
        ErrorCode::ValidationException
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

/// Lengths only: path and problem may quote the caller's data.
impl fmt::Debug for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "WireError(path of {} bytes, problem of {} bytes)",
            self.path.len(),
            self.problem.len()
        )
    }
}

impl From<WireError> for ValidationError {
    fn from(error: WireError) -> Self {
        ValidationError::new(error.to_string())
    }
}
