//! The null sealer: what "plain" means in every comparison of sealed against plain.
//!
//! Per block an 8-byte checksum (xxh3) at the end, as a store without encryption keeps one; no head, no tag, no key. It lives
//! here and not in the crypto room so that no program that users run contains it, and a database written with it names suite
//! [`NULL_SUITE`] in its root, which every server refuses.

use std::sync::Arc;

use sealdb_crypto::{
    BlockKind, BlockTag, LogPlace, OpenError, Scope, SealError, Sealer, Sealing, TableKeys,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The suite byte of a plain database: never that of a real suite.
pub const NULL_SUITE: u8 = 0xF0;

const CHECKSUM: usize = 8;

/// Makes [`NullSealer`]s; handed to the database's doc-hidden constructor.
#[derive(Debug, Default)]
pub struct NullSealing;

impl Sealing for NullSealing {
    fn suite(&self) -> u8 {
        NULL_SUITE
    }

    fn sealer_of(&self, _keys: &Arc<TableKeys>, _scope: Scope) -> Arc<dyn Sealer> {
        Arc::new(NullSealer)
    }
}

/// Leaves the plaintext where it is and appends a checksum.
#[derive(Debug)]
pub struct NullSealer;

impl Sealer for NullSealer {
    fn head_len(&self) -> usize {
        0
    }

    fn tail_len(&self) -> usize {
        CHECKSUM
    }

    fn seal(
        &self,
        kind: BlockKind,
        _at: Option<LogPlace>,
        block: &mut [u8],
    ) -> Result<BlockTag, SealError> {
        let (body, tail) = block
            .split_last_chunk_mut::<CHECKSUM>()
            .ok_or(SealError::TooShort)?;
        *tail = checksum(kind, body);
        Ok(tag(*tail))
    }

    fn open(
        &self,
        kind: BlockKind,
        _at: Option<LogPlace>,
        block: &mut [u8],
        expected: Option<&BlockTag>,
    ) -> Result<(), OpenError> {
        let (body, tail) = block
            .split_last_chunk::<CHECKSUM>()
            .ok_or(OpenError::Unauthentic)?;
        if *tail != checksum(kind, body) || expected.is_some_and(|expected| *expected != tag(*tail))
        {
            return Err(OpenError::Unauthentic);
        }
        Ok(())
    }

    fn tag_of(&self, block: &[u8]) -> Option<BlockTag> {
        block.last_chunk::<CHECKSUM>().map(|tail| tag(*tail))
    }
}

fn checksum(kind: BlockKind, body: &[u8]) -> [u8; CHECKSUM] {
    xxh3_64_with_seed(body, kind as u64).to_le_bytes()
}

/// Pointers hold 16 bytes in both modes, so that trees have the same shape.
fn tag(checksum: [u8; CHECKSUM]) -> BlockTag {
    let mut tag = [0; 16];
    tag[..CHECKSUM].copy_from_slice(&checksum);
    BlockTag::from_bytes(tag)
}
