//! The catalog: what tables there are, how they are keyed, where their trees begin.
//!
//! On disk it is a sealed tree under the system key, written by checkpoints only. Between checkpoints the truth is the map of open
//! tables in memory, and the log's system parts, from which recovery rebuilds it.

pub(crate) mod definition;
pub(crate) mod keys;
pub(crate) mod record;
