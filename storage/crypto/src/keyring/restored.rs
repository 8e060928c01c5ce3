//! A backup in the place of a keyring that is lost.

use super::files::Lock;
use super::{Keyring, KeyringError, journal};

impl Keyring {
    /// Makes the state of a restored backup count as one after change `seen`, the newest that its database has seen: until then the
    /// database refuses it as an old copy. Noted in the journal, because what was done to the keys since the backup is undone.
    ///
    /// # Errors
    /// Those of changing the file; nothing has changed then.
    pub fn take_over(&self, seen: u64) -> Result<(), KeyringError> {
        let mut state = self.state.lock();
        let _lock = Lock::acquire(&self.path)?;
        self.refresh(&mut state)?;
        let before = state.head;
        let detail = format!(
            "the keyring's change {} in the place of change {seen}",
            before.counter
        );
        journal::note(
            &mut state.body.journal,
            self.clock.wall_ms(),
            &self.principal,
            "RestoreKeyring",
            None,
            detail,
        );
        state.head.counter = before.counter.max(seen);
        let head = state.head;
        let written = self.write(&mut state, head, None);
        if written.is_err() {
            // The file is as it was, and is read anew at the next use.
            state.head = before;
        }
        written
    }
}
