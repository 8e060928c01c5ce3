//! Keys of a history: tables are rewrapped and rekeyed while everything goes on, and what they hold stays as it is.

use sealdb::{ErrorCode, KeyScope};

use crate::run::Run;

impl Run<'_> {
    /// Another wrapping of a table's key, or a new key.
    pub fn change_key(&mut self) {
        let (table, _) = self.any_table();
        let scope = KeyScope::Table(table.clone());
        let (what, changed) = if self.rng.one_in(3) {
            self.note(|| format!("rewrap {table}"));
            let changed = self.db().rewrap(scope, None).map(drop);
            ("tables rewrapped", changed)
        } else {
            self.note(|| format!("rekey {table}"));
            let changed = self.db().rekey(scope, None, None).map(drop);
            ("rekeys begun", changed)
        };
        match changed {
            Ok(()) => self.counters.add(what, 1),
            // It is being rekeyed.
            Err(error) if error.code() == ErrorCode::ResourceInUseException => {}
            Err(error) => self.recover(&error, Vec::new()),
        }
    }

    /// Some steps of what the thread of rekeys does.
    pub fn rekey_steps(&mut self) {
        let steps = self.rng.between(1, 12);
        self.note(|| format!("{steps} steps of rekeys"));
        for _ in 0..steps {
            let before = self.db().rekeys().map(|rekeys| rekeys.len());
            match self.db().rekey_tick() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.recover(&error, Vec::new()),
            }
            let after = self.db().rekeys().map(|rekeys| rekeys.len());
            if let (Ok(before), Ok(after)) = (before, after)
                && after < before
            {
                self.counters.add("rekeys ended", 1);
            }
        }
    }
}
