//! What a check tells.

use std::fmt;

/// What a check found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// All tables of the catalog and of the log behind it, by name.
    pub tables: Vec<CheckedTable>,
    /// Log records behind the root.
    pub log_records: u64,
    /// Records of the audit trail.
    pub audit_records: u64,
    /// What is damaged: place and kind, never content. Empty: nothing is.
    pub damages: Vec<String>,
    /// What is no damage, but worth knowing.
    pub remarks: Vec<String>,
}

/// One table of a [`CheckReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedTable {
    /// Its name.
    pub name: String,
    /// Whether it is as it should be.
    pub state: TableState,
    /// Items in the last checkpoint; as the catalog counts them if the table is inaccessible.
    pub items: u64,
    /// Blocks of its tree, values out of line included.
    pub pages: u64,
    /// Bytes that they take on the disk.
    pub page_bytes: u64,
}

/// The state of a checked table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableState {
    /// Every block of it is as it was written.
    Sound,
    /// Something of it is damaged.
    Damaged,
    /// Its KMS does not give the key.
    Inaccessible,
    /// Deleted since the last checkpoint.
    Deleted,
}

impl fmt::Display for TableState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableState::Sound => "sound",
            TableState::Damaged => "damaged",
            TableState::Inaccessible => "inaccessible",
            TableState::Deleted => "deleted",
        })
    }
}
