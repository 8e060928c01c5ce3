//! Room in the log: new segments, announced in a root before they are used.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use sealdb_crypto::SegmentId;
use sealdb_engine::{Engine, SegmentNo};

use super::segments::Segment;
use crate::error::Error;
use crate::root::SegmentEntry;
use crate::shared::Shared;

/// A segment that is made ahead takes at least a small group; the engine makes it longer.
const SPARE: u64 = 64 << 10;

impl Shared {
    /// Sees to it that the log takes a record of `need` bytes. May make a file and install a root; not in the seat.
    ///
    /// # Errors
    /// [`Error::StorageFull`] with nothing changed.
    pub(crate) fn make_room(self: &Arc<Self>, need: u64) -> Result<(), Error> {
        // One at a time: the background may be making one right now.
        let mut root = self.root();
        if self.log.lock().has_room(need) {
            return Ok(());
        }
        // The engine makes it longer: each twice as long as the one before.
        self.add_segment(&mut root, need.next_multiple_of(4096))
            .map(drop)
    }

    /// Adds a spare segment if the log will want one soon. In the background, so that no commit waits for it.
    ///
    /// # Errors
    /// As [`Shared::make_room`]; harmless, the commit that needs it tries again.
    pub(crate) fn add_spare_if_wanted(self: &Arc<Self>) -> Result<(), Error> {
        if !self.log.lock().wants_spare() {
            return Ok(());
        }
        let wanted = SPARE;
        // The long part, filling a file with zeros, while nobody waits for the root.
        self.engine
            .log_prepare(wanted)
            .map_err(Error::from_engine)?;
        let mut root = self.root();
        if !self.log.lock().wants_spare() {
            return Ok(());
        }
        self.add_segment(&mut root, wanted).map(drop)
    }

    /// Goes on in another segment, so that the current one can be released once it is in a checkpoint.
    ///
    /// # Errors
    /// As [`Shared::make_room`].
    pub(crate) fn rotate_log(self: &Arc<Self>) -> Result<(), Error> {
        let mut root = self.root();
        if self
            .log
            .lock()
            .segments
            .current()
            .is_none_or(|current| current.entry.first == 0)
        {
            return Ok(());
        }
        if self.log.lock().rotate() {
            return Ok(());
        }
        self.add_segment(&mut root, SPARE)?;
        self.log.lock().rotate();
        Ok(())
    }

    /// Goes on in a segment that is made now, past those that wait behind the current one; `None` if it does not take a record that was
    /// promised room meanwhile.
    ///
    /// # Errors
    /// As [`Shared::make_room`].
    pub(crate) fn rotate_to_new_segment(self: &Arc<Self>) -> Result<Option<SegmentNo>, Error> {
        let mut root = self.root();
        let wanted = SPARE.max(self.log.lock().promised());
        let no = self.add_segment(&mut root, wanted)?;
        Ok(self.log.lock().rotate_to(no).then_some(no))
    }

    fn add_segment(
        self: &Arc<Self>,
        root: &mut crate::shared::RootState,
        wanted: u64,
    ) -> Result<SegmentNo, Error> {
        let (no, capacity) = self.engine.log_create(wanted).map_err(Error::from_engine)?;
        let id =
            SegmentId::generate(self.provider).map_err(|error| Error::System(error.to_string()))?;
        let entry = SegmentEntry {
            no,
            id,
            first: 0,
            secrets: false,
            retiring: false,
        };
        let mut body = root.body.clone();
        let listed = {
            let mut log = self.log.lock();
            log.segments.push(Segment {
                entry,
                capacity,
                last: 0,
                announced: false,
            });
            // Of the sequence of the root in use: nothing comes out of the list here.
            log.segments.listed(0, log.durable())
        };
        body.segments.clone_from(&listed);
        // Crash here: the segment is in no root, and is released at the next open.
        let installed = self.install_root(root, body);
        let mut log = self.log.lock();
        match installed {
            Ok(()) => {
                log.segments.announced(&listed);
                Ok(no)
            }
            Err(error) => {
                log.segments.remove(no);
                drop(log);
                // The root that failed may list it all the same; it holds nothing.
                let _ = self.engine.log_release(no, false);
                Err(error)
            }
        }
    }
}

/// The way to ask for a spare segment.
#[derive(Default)]
pub(crate) struct Room {
    wanted: Mutex<bool>,
    changed: Condvar,
}

impl Room {
    pub(crate) fn wake(&self) {
        *self.wanted.lock() = true;
        self.changed.notify_all();
    }
}

/// Runs until the database stops: keeps a spare segment ready.
pub(crate) fn run(shared: &Arc<Shared>) {
    loop {
        {
            let mut wanted = shared.room.wanted.lock();
            while !*wanted && !shared.stopping() {
                shared.room.changed.wait(&mut wanted);
            }
            *wanted = false;
        }
        if shared.stopping() {
            return;
        }
        if let Err(error) = shared.add_spare_if_wanted() {
            tracing::warn!(%error, "no spare log segment could be made; the commit that needs it tries again");
        }
    }
}
