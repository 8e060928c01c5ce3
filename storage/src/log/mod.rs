//! The log: a chain of sealed records, each the outcomes of one group of mutations.
//!
//! [`frame`] is the record's bytes, [`segments`] the files that hold them, [`writer`] makes records durable, [`reader`] reads them back
//! and tells the end of the log from damage.

pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod room;
pub(crate) mod segments;
pub(crate) mod writer;
