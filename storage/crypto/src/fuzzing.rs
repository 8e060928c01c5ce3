//! Entry points for fuzzing: plain functions of bytes that panic only if a promise is broken.

use std::sync::{Arc, LazyLock};

use crate::block::{BlockHead, BlockKind, HEAD_LEN, LogPlace, OpenError, Purpose, Scope};
use crate::clock::ManualClock;
use crate::epoch::EpochLimits;
use crate::ids::{DatabaseId, Generation, SegmentId, TableId, TreeId};
use crate::provider::Provider;
use crate::sealer::{Aes256Gcm, Sealer, Sealing};
use crate::secret::{SecretBytes32, TableKey};

static PAGES: LazyLock<Arc<dyn Sealer>> = LazyLock::new(|| sealer(Purpose::Pages(TreeId::BASE)));
static AUDIT: LazyLock<Arc<dyn Sealer>> = LazyLock::new(|| sealer(Purpose::Audit));
static ROOT: LazyLock<SecretBytes32> = LazyLock::new(|| SecretBytes32::take(&mut [0x42; 32]));

fn sealer(purpose: Purpose) -> Arc<dyn Sealer> {
    let sealing = Aes256Gcm::new(
        Provider::default_provider(),
        EpochLimits::default(),
        Arc::new(ManualClock::new()),
    );
    let key = Arc::new(TableKey::new(
        SecretBytes32::take(&mut [0x42; 32]),
        Generation::FIRST,
    ));
    let scope = Scope {
        database: DatabaseId::from_bytes([1; 16]),
        table: TableId::from_bytes([2; 16]),
        purpose,
    };
    sealing.sealer(&key, scope)
}

/// Any bytes, as a keyring file and as what is sealed in one: never panics, never opens as a file, and what is read is written
/// back the same.
pub fn fuzz_keyring(bytes: &[u8]) {
    crate::keyring::fuzz(&ROOT, bytes);
}

/// Any bytes, as the records of an audit trail and as the event in one: a walk ends, never takes a foreign record, and what it
/// reads can be written and read again.
pub fn fuzz_audit_trail(bytes: &[u8]) {
    crate::audit::fuzz(&AUDIT, bytes);
}

/// Any bytes, as the head of a block and as a block: never panics, never opens (nobody holds the key but this module), and a
/// head that parses is written back the same.
pub fn fuzz_block_head(bytes: &[u8]) {
    let parsed = BlockHead::parse(bytes);
    if let Ok(head) = parsed {
        let again = head.to_bytes();
        let read = bytes.get(..HEAD_LEN);
        assert_eq!(read, Some(&again[..]), "written back otherwise");
    }
    for kind in BlockKind::ALL {
        let at = kind.has_place().then_some(LogPlace {
            segment: SegmentId::from_bytes([3; 16]),
            sequence: 4,
        });
        let opened = PAGES.open(kind, at, &mut bytes.to_vec(), None);
        match parsed {
            Err(error) if bytes.len() >= crate::block::OVERHEAD => assert_eq!(opened, Err(error)),
            _ => assert_eq!(opened, Err(OpenError::Unauthentic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_taken_and_what_is_cut_is_not() {
        let event = crate::audit::AuditEvent::new(
            &ManualClock::new(),
            "",
            "",
            &crate::kms::Caller::database(),
        );
        let whole = serde_json::to_string(&event).unwrap();
        let whole = whole
            .replacen('{', r#"{"unknown":[1.5e300],"#, 1)
            .into_bytes();
        for length in 0..=whole.len() {
            fuzz_audit_trail(&whole[..length]);
        }
        fuzz_keyring(&[0; 4]);
        fuzz_keyring(b"SEALKEY\0");
        fuzz_audit_trail(&vec![b'['; 100_000]);
    }
}
