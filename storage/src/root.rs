//! Bytes of a root slot: what a database is opened from.
//!
//! | part | bytes | what |
//! |---|---|---|
//! | head, clear | 7 | `SEALDB\0` |
//! | | 2 | format version; a newer one is refused by name |
//! | | 1 | suite that the database is sealed with |
//! | | 16 | database id |
//! | | 8 | counter: grows with each root |
//! | | 2 + n | identity of the KMS: provider, instance, highest change counter seen |
//! | | 2 + n | key record of the system key |
//! | | 4 | length of the body block |
//! | body block | | kind Root, sealed under the system key |
//!
//! Plaintext of the body:
//!
//! | bytes | what |
//! |---|---|
//! | 4 + n | the head again, up to the body's length: whoever changes it in the clear is found out |
//! | 8 + 16 | S, the sequence that this checkpoint holds, and the tag of record S |
//! | 4 + 8 | segment number and offset at which record S + 1 may begin |
//! | 1 + 28 | pointer to the catalog's root page; the first byte is 0 if there is none |
//! | 1 + 28 | pointer to the sealed allocation map, the same |
//! | 8 | the next space number to give out |
//! | 2, then for each | log segments in existence, in order of use: |
//! | 4 + 16 + 8 + 1 | number, random id, first sequence (0: not begun), flags (1: holds key records; 2: no longer needed, to be wiped) |
//! | 2, then for each | freed places that are to be zeroed: |
//! | 8 + 8 + 4 | space, address, length |
//! | 1 | flags (1: free places and unlisted segments may hold what a crash left there; 2: a deletion is not final yet) |
//!
//! The two slots are written in turn, so a torn root leaves the one before intact.

#![deny(clippy::indexing_slicing)]

use sealdb_crypto::kms::KmsIdentity;
use sealdb_crypto::{BlockKind, BlockTag, DatabaseId, KeyRecord, Sealer, SegmentId};
use sealdb_engine::{Freed, PageAddr, SegmentNo, SpaceId};

use crate::error::Error;
use crate::tree::PagePtr;
use crate::wire::{Malformed, Reader, Write};

const MAGIC: &[u8; 7] = b"SEALDB\0";

/// The format that this program writes, and the newest it reads.
pub(crate) const FORMAT_VERSION: u16 = 1;

/// At most so many places are listed for zeroing, to keep a root within its slot.
pub(crate) const MAX_SCRUB: usize = 512;

/// What is told in the clear, because it is needed to find the system key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootHead {
    pub(crate) suite: u8,
    pub(crate) database: DatabaseId,
    pub(crate) counter: u64,
    pub(crate) kms: KmsIdentity,
    pub(crate) system_key: KeyRecord,
}

/// A log segment that the root knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) no: SegmentNo,
    pub(crate) id: SegmentId,
    /// Sequence of its first record; 0 while none has been written as far as the root knows.
    pub(crate) first: u64,
    /// Whether a key record stands in it, so that its bytes are wiped when it is released.
    pub(crate) secrets: bool,
    /// No longer part of the log; listed until its bytes are wiped.
    pub(crate) retiring: bool,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) segment: SegmentNo,
    pub(crate) offset: u64,
}

/// The position, if its segment is still part of the log; otherwise where the log goes on.
///
/// # Errors
/// If no segment is listed.
pub(crate) fn position_in(
    position: LogPosition,
    listed: &[SegmentEntry],
) -> Result<LogPosition, Error> {
    if listed
        .iter()
        .any(|entry| entry.no == position.segment && !entry.retiring)
    {
        return Ok(position);
    }
    let first = listed
        .iter()
        .find(|entry| !entry.retiring)
        .ok_or_else(|| Error::corrupt("the log has no segment"))?;
    Ok(LogPosition {
        segment: first.no,
        offset: 0,
    })
}

/// The sealed part of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootBody {
    pub(crate) sequence: u64,
    pub(crate) tag: BlockTag,
    pub(crate) position: LogPosition,
    pub(crate) catalog: Option<PagePtr>,
    pub(crate) free_map: Option<PagePtr>,
    pub(crate) next_space: u64,
    pub(crate) segments: Vec<SegmentEntry>,
    pub(crate) scrub: Vec<Freed>,
    /// Free places and unlisted segments may hold what a crash left there. Of every root but the last one of a clean close.
    pub(crate) remains: bool,
    /// The checkpoints that make a deletion final are not over.
    pub(crate) deleting: bool,
}

/// A root slot whose head could be read.
pub(crate) struct RawRoot<'a> {
    pub(crate) head: RootHead,
    head_bytes: &'a [u8],
    body: &'a [u8],
}

/// Why a slot gives no root.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootError {
    /// Torn, damaged or never whole: the other slot may serve.
    #[error("{0}")]
    Unreadable(&'static str),
    /// Written by a newer version. Never a reason to take the other slot.
    #[error("format version {0}")]
    NewerFormat(u16),
}

impl From<Malformed> for RootError {
    fn from(error: Malformed) -> Self {
        RootError::Unreadable(error.0)
    }
}

impl RootHead {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.put_raw(MAGIC);
        out.put_u16(FORMAT_VERSION);
        out.put_u8(self.suite);
        out.put_raw(self.database.as_bytes());
        out.put_u64(self.counter);
        let mut identity = Vec::new();
        self.kms.encode(&mut identity);
        out.put_short_bytes(&identity);
        out.put_short_bytes(&self.system_key.encode());
        out
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, RootError> {
        if r.bytes(MAGIC.len(), "magic")? != MAGIC {
            return Err(RootError::Unreadable("magic"));
        }
        let version = r.u16("format version")?;
        if version > FORMAT_VERSION {
            return Err(RootError::NewerFormat(version));
        }
        if version == 0 {
            return Err(RootError::Unreadable("format version"));
        }
        Ok(RootHead {
            suite: r.u8("suite")?,
            database: DatabaseId::from_bytes(r.array("database id")?),
            counter: r.u64("counter")?,
            kms: KmsIdentity::decode(r.short_bytes("KMS identity")?)
                .map_err(|_| RootError::Unreadable("KMS identity"))?,
            system_key: KeyRecord::decode(r.short_bytes("system key record")?)
                .map_err(|_| RootError::Unreadable("system key record"))?,
        })
    }
}

pub(crate) fn put_page_ptr(out: &mut Vec<u8>, ptr: Option<&PagePtr>) {
    match ptr {
        None => out.put_raw(&[0; 1 + PagePtr::LEN]),
        Some(ptr) => {
            out.put_u8(1);
            out.put_raw(&ptr.encode());
        }
    }
}

pub(crate) fn read_page_ptr(
    r: &mut Reader<'_>,
    what: &'static str,
) -> Result<Option<PagePtr>, Malformed> {
    let flag = r.u8(what)?;
    let bytes = r.array::<{ PagePtr::LEN }>(what)?;
    match flag {
        0 if bytes == [0; PagePtr::LEN] => Ok(None),
        1 => PagePtr::decode(&bytes).map(Some).ok_or(Malformed(what)),
        _ => Err(Malformed(what)),
    }
}

impl RootBody {
    fn encode(&self, head: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        out.put_long_bytes(head);
        out.put_u64(self.sequence);
        out.put_raw(self.tag.as_bytes());
        out.put_u32(self.position.segment.0);
        out.put_u64(self.position.offset);
        put_page_ptr(&mut out, self.catalog.as_ref());
        put_page_ptr(&mut out, self.free_map.as_ref());
        out.put_u64(self.next_space);
        out.put_u16(u16::try_from(self.segments.len()).expect("the log limit keeps segments few"));
        for segment in &self.segments {
            out.put_u32(segment.no.0);
            out.put_raw(segment.id.as_bytes());
            out.put_u64(segment.first);
            out.put_u8(u8::from(segment.secrets) | u8::from(segment.retiring) << 1);
        }
        let scrub = self.scrub.iter().take(MAX_SCRUB);
        out.put_u16(u16::try_from(scrub.len()).expect("capped"));
        for freed in scrub {
            out.put_u64(freed.space.0);
            out.put_u64(freed.addr.0);
            out.put_u32(freed.len);
        }
        out.put_u8(u8::from(self.remains) | u8::from(self.deleting) << 1);
        out
    }

    fn decode(bytes: &[u8], head: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.long_bytes("head in the body")? != head {
            return Err(Malformed("head"));
        }
        let sequence = r.u64("sequence")?;
        let tag = BlockTag::from_bytes(r.array("tag")?);
        let position = LogPosition {
            segment: SegmentNo(r.u32("position")?),
            offset: r.u64("position")?,
        };
        let catalog = read_page_ptr(&mut r, "catalog pointer")?;
        let free_map = read_page_ptr(&mut r, "map pointer")?;
        let next_space = r.u64("next space")?;
        let mut segments = Vec::new();
        for _ in 0..r.u16("segment count")? {
            let (no, id) = (r.u32("segment number")?, r.array("segment id")?);
            let (first, flags) = (r.u64("first sequence")?, r.u8("segment flags")?);
            if flags > 3 {
                return Err(Malformed("segment flags"));
            }
            segments.push(SegmentEntry {
                no: SegmentNo(no),
                id: SegmentId::from_bytes(id),
                first,
                secrets: flags & 1 != 0,
                retiring: flags & 2 != 0,
            });
        }
        let mut scrub = Vec::new();
        for _ in 0..r.u16("scrub count")? {
            scrub.push(Freed {
                space: SpaceId(r.u64("scrub space")?),
                addr: PageAddr(r.u64("scrub address")?),
                len: r.u32("scrub length")?,
            });
        }
        let flags = r.u8("flags")?;
        if flags > 3 {
            return Err(Malformed("flags"));
        }
        r.end("root body")?;
        Ok(RootBody {
            sequence,
            tag,
            position,
            catalog,
            free_map,
            next_space,
            segments,
            scrub,
            remains: flags & 1 != 0,
            deleting: flags & 2 != 0,
        })
    }
}

/// The bytes of a root, sealed.
///
/// # Errors
/// If sealing fails.
pub(crate) fn seal_root(
    head: &RootHead,
    body: &RootBody,
    sealer: &dyn Sealer,
) -> Result<Vec<u8>, Error> {
    let mut out = head.encode();
    let plain = body.encode(&out);
    let mut block = vec![0; sealer.head_len()];
    block.put_raw(&plain);
    block.resize(block.len() + sealer.tail_len(), 0);
    sealer.seal(BlockKind::Root, None, &mut block)?;
    out.put_long_bytes(&block);
    Ok(out)
}

/// Reads the clear head of a slot.
///
/// # Errors
/// See [`RootError`].
pub(crate) fn read_root(slot: &[u8]) -> Result<RawRoot<'_>, RootError> {
    let mut r = Reader::new(slot);
    let head = RootHead::decode(&mut r)?;
    let head_len = slot.len() - r.remaining();
    let head_bytes = slot.get(..head_len).ok_or(RootError::Unreadable("head"))?;
    let body = r.long_bytes("body")?;
    Ok(RawRoot {
        head,
        head_bytes,
        body,
    })
}

/// Roots that can be read, with their slots, and what is wrong with the other slots.
type Readable<'a> = (Vec<(usize, RawRoot<'a>)>, Vec<String>);

/// The roots of both slots that can be read, with their slots, the newest first; and what is wrong with a slot that holds anything else.
///
/// # Errors
/// [`Error::NewerFormat`]: then the other slot is no reason to go on.
pub(crate) fn read_roots(slots: &[Option<Vec<u8>>; 2]) -> Result<Readable<'_>, Error> {
    let (mut roots, mut unreadable) = (Vec::new(), Vec::new());
    for (slot, bytes) in slots.iter().enumerate() {
        match bytes.as_deref().map(read_root) {
            None => {}
            Some(Ok(root)) => roots.push((slot, root)),
            Some(Err(RootError::NewerFormat(found))) => {
                return Err(Error::NewerFormat {
                    found,
                    supported: FORMAT_VERSION,
                });
            }
            Some(Err(error)) => unreadable.push(format!("slot {slot}: {error}")),
        }
    }
    roots.sort_by_key(|(_, root)| std::cmp::Reverse(root.head.counter));
    Ok((roots, unreadable))
}

impl RawRoot<'_> {
    #[cfg(test)]
    pub(crate) fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Opens the sealed part and compares the head with what it repeats.
    ///
    /// # Errors
    /// [`RootError::Unreadable`] if it does not authenticate.
    pub(crate) fn open(&self, sealer: &dyn Sealer) -> Result<RootBody, RootError> {
        let mut block = self.body.to_vec();
        if block.len() < sealer.head_len() + sealer.tail_len() {
            return Err(RootError::Unreadable("body"));
        }
        sealer
            .open(BlockKind::Root, None, &mut block, None)
            .map_err(|_| RootError::Unreadable("seal of the body"))?;
        let plain = block
            .get(sealer.head_len()..block.len() - sealer.tail_len())
            .ok_or(RootError::Unreadable("body"))?;
        Ok(RootBody::decode(plain, self.head_bytes)?)
    }
}

/// Reads foreign bytes as a root slot; for fuzzing. Must return, whatever the input.
#[doc(hidden)]
pub fn fuzz_root(bytes: &[u8]) {
    let _ = read_root(bytes);
    let _ = RootBody::decode(bytes, &[]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::testing::{test_key_record, test_sealer};
    use proptest::prelude::*;

    fn head() -> RootHead {
        RootHead {
            suite: 1,
            database: DatabaseId::from_bytes([3; 16]),
            counter: 9,
            kms: KmsIdentity {
                provider: "keyring".into(),
                instance: "one".into(),
                counter: 4,
            },
            system_key: test_key_record(),
        }
    }

    fn body() -> impl Strategy<Value = RootBody> {
        let ptr = || {
            proptest::option::of((any::<u64>(), 0u32..1 << 24, 0u8..64, any::<[u8; 16]>()))
                .prop_map(|p| {
                    p.map(|(a, len, level, t)| PagePtr {
                        addr: PageAddr(a),
                        len,
                        level,
                        tag: BlockTag::from_bytes(t),
                    })
                })
        };
        let segment = any::<(u32, [u8; 16], u64, bool, bool)>().prop_map(
            |(no, id, first, secrets, retiring)| SegmentEntry {
                no: SegmentNo(no),
                id: SegmentId::from_bytes(id),
                first,
                secrets,
                retiring,
            },
        );
        let freed = (any::<u64>(), any::<u64>(), any::<u32>()).prop_map(|(s, a, len)| Freed {
            space: SpaceId(s),
            addr: PageAddr(a),
            len,
        });
        (
            any::<(u64, [u8; 16], u32, u64, u64)>(),
            ptr(),
            ptr(),
            proptest::collection::vec(segment, 0..6),
            proptest::collection::vec(freed, 0..6),
        )
            .prop_map(
                |((sequence, tag, no, offset, next_space), catalog, free_map, segments, scrub)| {
                    RootBody {
                        sequence,
                        tag: BlockTag::from_bytes(tag),
                        position: LogPosition {
                            segment: SegmentNo(no),
                            offset,
                        },
                        catalog,
                        free_map,
                        next_space,
                        segments,
                        scrub,
                        remains: sequence & 1 == 0,
                        deleting: sequence & 2 == 0,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_root_survives_and_a_flipped_bit_does_not_pass(body in body(), at: prop::sample::Index, bit in 0u8..8) {
            let sealer = test_sealer();
            let written = head();
            let mut slot = seal_root(&written, &body, &*sealer).unwrap();
            let raw = read_root(&slot).unwrap();
            prop_assert_eq!(&raw.head, &written);
            prop_assert_eq!(raw.open(&*sealer).unwrap(), body);

            let at = at.index(slot.len());
            slot[at] ^= 1 << bit;
            let opened = read_root(&slot).and_then(|raw| raw.open(&*sealer));
            prop_assert!(opened.is_err(), "byte {} was changed unnoticed", at);
            prop_assert!(read_root(&slot[..at]).and_then(|raw| raw.open(&*sealer)).is_err());
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            fuzz_root(&bytes);
            let mut with_magic = MAGIC.to_vec();
            with_magic.extend_from_slice(&bytes);
            fuzz_root(&with_magic);
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let sealer = test_sealer();
        let body = RootBody {
            sequence: 0,
            tag: BlockTag::from_bytes([0; 16]),
            position: LogPosition {
                segment: SegmentNo(0),
                offset: 0,
            },
            catalog: None,
            free_map: None,
            next_space: 3,
            segments: vec![],
            scrub: vec![],
            remains: true,
            deleting: false,
        };
        let mut slot = seal_root(&head(), &body, &*sealer).unwrap();
        slot[8] = 2;
        assert!(matches!(read_root(&slot), Err(RootError::NewerFormat(2))));
    }
}
