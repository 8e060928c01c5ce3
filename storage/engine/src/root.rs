//! The bytes of the two root slots.
//!
//! | offset in the slot | bytes | field |
//! |---|---|---|
//! | 0 | 4 | length of the root, little-endian; 0 = never written |
//! | 4 | 4 | the same, all bits turned |
//! | 8 | length | the root |
//! | | | zeros to the end of the slot |
//!
//! A slot is [`SLOT_LEN`] bytes (nine units); slot 0 stands at 0, slot 1 behind it. A slot is always written whole, so nothing
//! of an earlier, longer root stays. The second length tells a slot that was torn in its first sector from one that was
//! not; a slot torn further behind is returned, and does not open.

#![deny(clippy::indexing_slicing)]

use crate::{EngineError, ROOT_MAX, UNIT};

/// Bytes of one slot: the root's head and its longest body, in whole units.
pub(crate) const SLOT_LEN: usize = (ROOT_MAX + 8).next_multiple_of(UNIT as usize);

/// Bytes of the root area.
pub(crate) const AREA_LEN: usize = 2 * SLOT_LEN;

/// Where a slot begins.
pub(crate) fn slot_offset(slot: usize) -> u64 {
    (slot * SLOT_LEN) as u64
}

/// Refuses a root of no length or too much.
pub(crate) fn check_root(root: &[u8]) -> Result<(), EngineError> {
    if root.is_empty() || root.len() > ROOT_MAX {
        return Err(EngineError::Misuse {
            reason: "a root has 1 byte to 32 KiB",
        });
    }
    Ok(())
}

/// The bytes of a whole slot, for a root that [`check_root`] accepts.
pub(crate) fn encode_slot(root: &[u8]) -> Vec<u8> {
    let len = root.len() as u32; // at most 32 KiB
    let mut out = Vec::with_capacity(SLOT_LEN);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out.extend_from_slice(root);
    out.resize(SLOT_LEN, 0);
    out
}

/// The root in a slot's bytes, if its length makes sense.
pub(crate) fn decode_slot(slot: &[u8]) -> Option<Vec<u8>> {
    let (len, rest) = slot.split_first_chunk::<4>()?;
    let (turned, body) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len);
    if len != !u32::from_le_bytes(*turned) || len == 0 || len as usize > ROOT_MAX {
        return None;
    }
    body.get(..len as usize).map(<[u8]>::to_vec)
}

/// Both roots in the area's bytes.
pub(crate) fn decode_area(area: &[u8]) -> [Option<Vec<u8>>; 2] {
    let slot = |n: usize| {
        area.get(n * SLOT_LEN..(n + 1) * SLOT_LEN)
            .and_then(decode_slot)
    };
    [slot(0), slot(1)]
}

/// Which slot is written next.
///
/// An engine that finds roots after opening does not know which one is in use; overwriting the wrong one would lose the
/// database, so it refuses to write before it is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NextSlot {
    /// Roots exist and nobody has said which one is live.
    Untold,
    /// This one.
    Slot(usize),
}

impl NextSlot {
    /// The state after opening.
    pub(crate) fn at_open(roots: &[Option<Vec<u8>>; 2]) -> Self {
        if roots.iter().all(Option::is_none) {
            Self::Slot(0)
        } else {
            Self::Untold
        }
    }

    /// The slot to write.
    pub(crate) fn get(self) -> Result<usize, EngineError> {
        match self {
            Self::Slot(slot) => Ok(slot),
            Self::Untold => Err(EngineError::Misuse {
                reason: "roots exist, and set_live_root_slot was not called",
            }),
        }
    }

    /// The state once `slot` holds the root in use.
    pub(crate) fn with_live(slot: usize) -> Self {
        Self::Slot((slot & 1) ^ 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slot_gives_back_its_root(root in proptest::collection::vec(any::<u8>(), 1..2000)) {
            let slot = encode_slot(&root);
            prop_assert_eq!(slot.len(), SLOT_LEN);
            prop_assert_eq!(decode_slot(&slot), Some(root));
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(root) = decode_slot(&bytes) {
                prop_assert!(root.len() + 8 <= bytes.len());
            }
        }
    }

    #[test]
    fn the_longest_root_fits_and_one_more_byte_does_not() {
        let longest = [7; ROOT_MAX];
        check_root(&longest).unwrap();
        assert_eq!(decode_slot(&encode_slot(&longest)), Some(longest.to_vec()));
        for refused in [&[7; ROOT_MAX + 1][..], &[]] {
            let error = check_root(refused).unwrap_err();
            assert!(matches!(error, EngineError::Misuse { .. }), "{error}");
        }
    }
}
