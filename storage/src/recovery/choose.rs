//! Which root a database is opened from.

use std::sync::Arc;

use sealdb_crypto::{Caller, EncryptionContext, KeyRecordError, KmsError, Moment};

use super::Patience;
use crate::audit::Began;
use crate::error::Error;
use crate::root::{FORMAT_VERSION, RootBody, RootError, RootHead, read_roots};
use crate::shared::{Parts, SystemSealers, system_sealers};
use crate::tree::PageCache;

/// A root that opened.
pub(crate) struct ChosenRoot {
    pub(crate) slot: usize,
    pub(crate) head: RootHead,
    pub(crate) body: RootBody,
    pub(crate) sealers: SystemSealers,
    /// The other slot holds something that does not open: it may have been newer.
    pub(crate) fallback: bool,
    pub(super) asked: Moment,
}

/// The root that the database is opened from, with its keys. Writes nothing but the audit trail, if there is one.
pub(crate) fn choose_root(
    parts: &mut Parts,
    cache: &Arc<PageCache>,
    roots: &[Option<Vec<u8>>; 2],
) -> Result<ChosenRoot, Error> {
    let (candidates, mut unreadable) = read_roots(roots)?;
    for (slot, raw) in candidates {
        let head = &raw.head;
        if head.suite != parts.sealing.suite() {
            return Err(Error::OtherSuite {
                found: head.suite,
                expected: parts.sealing.suite(),
            });
        }
        if let Err(mismatch) = head.kms.accepts(&parts.kms.identity()) {
            return Err(mismatch.into());
        }
        parts.audit(head.database, Began::Before)?;
        let asked = Moment::now(&*parts.clock);
        let context = EncryptionContext::for_system(head.database, head.system_key.generation);
        let (kms, key) = (parts.kms.clone(), head.system_key.clone());
        let unwrap = move || key.unwrap(&*kms, &Caller::database(), &context);
        let key = match Patience::new(parts).ask(unwrap) {
            Ok(key) => key,
            Err(
                error @ KeyRecordError::Kms(
                    KmsError::Denied { .. }
                    | KmsError::Unavailable { .. }
                    | KmsError::AuditTrail(_),
                ),
            ) => {
                return Err(error.into());
            }
            Err(error) => {
                unreadable.push(format!("slot {slot}: {error}"));
                continue;
            }
        };
        let sealers = system_sealers(parts, cache, head.database, key);
        match raw.open(&*sealers.root) {
            Ok(body) => {
                return Ok(ChosenRoot {
                    slot,
                    head: raw.head,
                    body,
                    sealers,
                    // A slot that gives no bytes may have held a newer root, too.
                    fallback: !unreadable.is_empty() || roots.iter().any(Option::is_none),
                    asked,
                });
            }
            Err(RootError::NewerFormat(found)) => {
                return Err(Error::NewerFormat {
                    found,
                    supported: FORMAT_VERSION,
                });
            }
            Err(RootError::Unreadable(what)) => unreadable.push(format!("slot {slot}: {what}")),
        }
    }
    Err(Error::NoRoot(unreadable.join("; ")))
}
