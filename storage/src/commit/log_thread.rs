//! The log thread, which leads for callers that are tasks; and the thread that syncs when durability is an interval.

use std::sync::Arc;

use crate::error::Error;
use crate::options::Durability;
use crate::shared::Shared;

/// Runs until the database stops.
pub(crate) fn run(shared: &Arc<Shared>) {
    while shared.pipeline.log_thread_waits() {
        shared.lead_if_free();
    }
}

/// Runs until the database stops; at once where each commit syncs. Apart from whoever leads, who has no end of groups while many write.
pub(crate) fn run_syncs(shared: &Arc<Shared>) {
    let Durability::Interval(time) = shared.options.durability else {
        return;
    };
    while shared.pipeline.rest(time) {
        // A failure has made the database read-only.
        let _ = shared.sync_log();
    }
}

impl Shared {
    /// Makes everything that was written to the log durable.
    ///
    /// # Errors
    /// The database is read-only then.
    pub(crate) fn sync_log(&self) -> Result<(), Error> {
        let unsynced = self.log.lock().unsynced();
        let Some((segment, sequence)) = unsynced else {
            return Ok(());
        };
        match self.engine.log_sync(segment) {
            Ok(()) => {
                self.log.lock().synced(sequence);
                Ok(())
            }
            // A checkpoint made it durable in the pages meanwhile, and may have let the segment go.
            Err(_) if self.log.lock().durable() >= sequence => Ok(()),
            Err(error) => {
                let error = Error::from(error);
                self.set_read_only(error.clone());
                Err(error)
            }
        }
    }

    /// Loads the page that a mutation needs whose caller is gone, and queues it again.
    pub(crate) fn adopt(&self, orphan: crate::commit::queue::Orphan) {
        self.orphans.lock().push(orphan);
    }

    /// Serves what [`Shared::adopt`] took in; true if there was something. May block.
    pub(crate) fn serve_orphans(self: &Arc<Self>) -> bool {
        let orphans = std::mem::take(&mut *self.orphans.lock());
        let any = !orphans.is_empty();
        for mut orphan in orphans {
            match orphan.need.load_blocking() {
                Ok(page) => {
                    orphan.mutation.hold(page);
                    self.requeue(orphan.mutation);
                }
                Err(error) => orphan.mutation.answer(Err(&error)),
            }
        }
        any
    }
}
