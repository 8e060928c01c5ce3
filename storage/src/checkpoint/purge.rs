//! Purge: what tables have given up until now, and what was logged until now, is in no file any more.
//!
//! 1. Log segments of now are to be wiped when they are released, those that are released already are wiped at once; the log goes on in
//!    a new one.
//! 2. Two checkpoints: neither root needs what was given up, and the log until now is released.
//! 3. Once the last reader that could follow a pointer to it has ended, the places are free; all that is free is zeroed.
//!
//! A crash in between loses nothing and proves nothing: it begins anew.

use std::sync::Arc;

use sealdb_engine::{Engine, PageAddr, SegmentNo};

use crate::error::Error;
use crate::shared::Shared;

/// A purge under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purge {
    /// What was given up until here is not needed by a root.
    pub(crate) sequence: u64,
    /// What is logged before this segment is wiped.
    pub(crate) segment: SegmentNo,
}

impl Shared {
    /// Begins a purge: the log is released, and both roots are rewritten. Blocks.
    ///
    /// # Errors
    /// Nothing is lost then.
    pub(crate) fn begin_purge(self: &Arc<Self>) -> Result<Purge, Error> {
        let mut state = self.checkpoints.state.lock();
        self.writable()?;
        // While no checkpoint can release a segment in between.
        self.log.lock().segments.mark_secret();
        self.engine
            .log_wipe_released()
            .map_err(Error::from_engine)?;
        let segment = loop {
            if let Some(segment) = self.rotate_to_new_segment()? {
                break segment;
            }
            self.writable()?;
        };
        self.checkpoint(&mut state)?;
        self.checkpoint(&mut state)?;
        let sequence = self.root().body.sequence;
        Ok(Purge { sequence, segment })
    }

    /// Goes on with a purge. False: the log is still needed, or a reader is.
    ///
    /// # Errors
    /// It may be tried again.
    pub(crate) fn end_purge(self: &Arc<Self>, purge: Purge) -> Result<bool, Error> {
        let mut state = self.checkpoints.state.lock();
        self.writable()?;
        if !self.log.lock().segments.begins_at(purge.segment) {
            self.checkpoint(&mut state)?;
        }
        self.release_limbo(&mut state);
        let mut limbo = state.limbo.iter();
        let needed = limbo.any(|limbo| limbo.sequence <= purge.sequence);
        if needed || !self.log.lock().segments.begins_at(purge.segment) {
            return Ok(false);
        }
        state.remains = Some(PageAddr(0));
        self.zero_remains(&mut state)?;
        Ok(true)
    }
}
