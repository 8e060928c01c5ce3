//! How long an opening waits for the KMS: a KMS that hangs does not hang the start.
//!
//! Each call has a thread of its own and ten seconds, as those of the key keeper have. What is slow together, beyond a second a call, has
//! thirty: after that no call is made any more. A table that got no answer stays closed, and the keeper asks again once the database
//! is open; without the system's key there is no opening.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use sealdb_crypto::{Clock, KeyRecordError, KmsError};

use crate::options::Background;
use crate::shared::Parts;

/// How long an answer is waited for. Tests that let a KMS hang do not wait so long.
const CALL: Duration = match cfg!(test) {
    true => Duration::from_millis(200),
    false => Duration::from_secs(10),
};
/// Of three calls, if none is answered.
const ALL: Duration = CALL.saturating_mul(3);
/// A call that takes no longer is not slow.
const PROMPT: Duration = Duration::from_secs(1);

/// What is left of it.
pub(crate) struct Patience {
    left: Cell<Duration>,
    clock: Arc<dyn Clock>,
    provider: String,
    inline: bool,
}

impl Patience {
    pub(crate) fn new(parts: &Parts) -> Self {
        Patience {
            left: Cell::new(ALL),
            clock: parts.clock.clone(),
            provider: parts.kms.identity().provider,
            inline: parts.options.background == Background::Inline,
        }
    }

    /// What the KMS says in this call, or that it cannot be reached. A call that is given up goes on alone; its answer is dropped, and
    /// a key in it wiped.
    pub(crate) fn ask<T, E>(
        &self,
        call: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<KeyRecordError> + Send + 'static,
    {
        if self.inline {
            return call();
        }
        let at_most = CALL.min(self.left.get());
        if at_most.is_zero() {
            return Err(self.unavailable("it was not asked, because it is slow"));
        }
        let (answer, answered) = sync_channel(1);
        let begun = self.clock.boot();
        let thread = std::thread::Builder::new().name("sealdb-kms".into());
        // Nobody waits for an answer any more: it is dropped.
        let asked = thread.spawn(move || drop(answer.send(call())));
        if let Err(error) = asked {
            return Err(self.unavailable(format!("no thread to ask it with: {error}")));
        }
        let said = answered.recv_timeout(at_most);
        let took = match said {
            Ok(_) => self.clock.boot().saturating_sub(begun),
            Err(_) => at_most + PROMPT,
        };
        let slow = took.saturating_sub(PROMPT);
        self.left.set(self.left.get().saturating_sub(slow));
        said.unwrap_or_else(|_| Err(self.unavailable("it gave no answer in time")))
    }

    fn unavailable<E: From<KeyRecordError>>(&self, reason: impl Into<String>) -> E {
        E::from(KeyRecordError::Kms(KmsError::Unavailable {
            provider: self.provider.clone(),
            reason: reason.into(),
            source: None,
        }))
    }
}
