use std::io;

/// Faults of the file under a trail.
#[derive(Default)]
pub(super) struct Faults {
    /// No byte beyond this offset can be written.
    pub(super) full_at: Option<u64>,
    /// The next sync fails.
    pub(super) fail_sync: bool,
}

impl Faults {
    pub(super) fn on_write(&self, end: u64) -> io::Result<()> {
        match self.full_at {
            Some(limit) if end > limit => Err(io::Error::from(io::ErrorKind::StorageFull)),
            _ => Ok(()),
        }
    }

    pub(super) fn on_sync(&self) -> io::Result<()> {
        if self.fail_sync {
            Err(io::Error::other("scripted"))
        } else {
            Ok(())
        }
    }
}
