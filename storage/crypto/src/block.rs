//! The bytes of a sealed block.
//!
//! # Block, format 1
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 1 | magic | `0xDB` |
//! | 1 | 1 | format version | 1 |
//! | 2 | 1 | suite | 1: AES-256-GCM under HKDF-SHA256 keys |
//! | 3 | 1 | kind | [`BlockKind`] |
//! | 4 | 4 | generation | of the table key, big-endian |
//! | 8 | 16 | epoch salt | random, chooses the derived key |
//! | 24 | 12 | nonce | random, made by the sealing call |
//! | 36 | n | ciphertext | as long as the plaintext |
//! | 36 + n | 16 | tag | GCM's, whole; what a pointer to the block holds |
//!
//! # Authenticated data
//!
//! | bytes | field | |
//! |---|---|---|
//! | 24 | head | the block's first 24 bytes: all of the head but the nonce, which GCM authenticates itself |
//! | 16 | database id | |
//! | 16 | table id | zeros: the system's |
//! | 4 | tree id | big-endian; 0 where the purpose is not pages |
//! | 1 | kind | as the opener expects it |
//! | 16 | segment id | only kinds with a place: where the block was first written |
//! | 8 | sequence | only kinds with a place; big-endian |
//!
//! Of fixed width for each kind (61 bytes, or 85 with a place), so no two contexts have the same bytes. Nothing here is secret:
//! kind, generation and salt of a block can be read by whoever holds the file, and changed by nobody without a key.

#![deny(clippy::indexing_slicing)]

use std::fmt;

use crate::ids::{DatabaseId, Generation, SegmentId, TableId, TreeId};
use crate::provider::{NONCE_LEN, ProviderError, TAG_LEN, Unauthentic};

/// First byte of each block.
pub const MAGIC: u8 = 0xDB;
/// The block format that is written, and the newest that is understood.
pub const FORMAT_VERSION: u8 = 1;
/// AES-256-GCM with 96-bit random nonces, keys by HKDF-SHA256.
pub const SUITE_AES_256_GCM: u8 = 1;
/// Bytes before the text.
pub const HEAD_LEN: usize = 36;
/// Bytes after the text.
pub const TAIL_LEN: usize = TAG_LEN;
/// Bytes that sealing adds.
pub const OVERHEAD: usize = HEAD_LEN + TAIL_LEN;
/// Bytes of an epoch's salt.
pub const SALT_LEN: usize = 16;

/// The part of the head that is authenticated as data: all but the nonce.
pub(crate) const PREFIX_LEN: usize = HEAD_LEN - NONCE_LEN;
const KIND_AT: usize = 3;
const SCOPE_AAD_LEN: usize = 16 + 16 + 4;
const AAD_LEN: usize = PREFIX_LEN + SCOPE_AAD_LEN + 1;
const PLACED_AAD_LEN: usize = AAD_LEN + 16 + 8;

/// What a block holds. A block of one kind does not open as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlockKind {
    /// A leaf page of a tree.
    Leaf = 1,
    /// An inner page of a tree.
    Inner = 2,
    /// An item too large for its leaf.
    Value = 3,
    /// The frame of a log record. Has a place.
    LogFrame = 4,
    /// One table's part of a log record. Has a place.
    LogPart = 5,
    /// The body of a root record.
    Root = 6,
    /// The map of free places.
    FreeMap = 7,
    /// A record of the audit trail. Has a place.
    AuditRecord = 8,
}

impl BlockKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [BlockKind; 8] = [
        BlockKind::Leaf,
        BlockKind::Inner,
        BlockKind::Value,
        BlockKind::LogFrame,
        BlockKind::LogPart,
        BlockKind::Root,
        BlockKind::FreeMap,
        BlockKind::AuditRecord,
    ];

    /// Whether blocks of this kind are bound to the [`LogPlace`] that they were first written at. Sealing and opening take a
    /// place exactly for these kinds.
    pub const fn has_place(self) -> bool {
        matches!(
            self,
            BlockKind::LogFrame | BlockKind::LogPart | BlockKind::AuditRecord
        )
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => BlockKind::Leaf,
            2 => BlockKind::Inner,
            3 => BlockKind::Value,
            4 => BlockKind::LogFrame,
            5 => BlockKind::LogPart,
            6 => BlockKind::Root,
            7 => BlockKind::FreeMap,
            8 => BlockKind::AuditRecord,
            _ => return None,
        })
    }
}

/// What keys are for. Each purpose of a table has derived keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Pages and out-of-line values of one tree.
    Pages(TreeId),
    /// Log frames (system) and log parts.
    Log,
    /// Root records and the free map.
    Root,
    /// The audit trail.
    Audit,
}

impl Purpose {
    /// The purpose's number in the derivation label.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Purpose::Pages(_) => 1,
            Purpose::Log => 2,
            Purpose::Root => 3,
            Purpose::Audit => 4,
        }
    }

    pub(crate) const fn tree(self) -> TreeId {
        match self {
            Purpose::Pages(tree) => tree,
            Purpose::Log | Purpose::Root | Purpose::Audit => TreeId::new(0),
        }
    }
}

/// What a sealer seals for: its blocks open nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The database.
    pub database: DatabaseId,
    /// The table; [`TableId::SYSTEM`] for the system's own.
    pub table: TableId,
    /// What the keys are for.
    pub purpose: Purpose,
}

/// Where a block of a kind with a place was first written. It stays bound to it when it is carried elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogPlace {
    /// The log segment (or the audit trail's id).
    pub segment: SegmentId,
    /// The record's number.
    pub sequence: u64,
}

/// The authentication tag of a block: names its exact content. A pointer to a block holds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockTag([u8; TAG_LEN]);

impl BlockTag {
    /// The tag with these bytes.
    pub const fn from_bytes(bytes: [u8; TAG_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in the block and in pointers to it.
    pub const fn as_bytes(&self) -> &[u8; TAG_LEN] {
        &self.0
    }
}

impl fmt::Debug for BlockTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockTag(")?;
        for byte in &self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// Why a block was not sealed. Its bytes are unspecified then, and must not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The buffer has no room for head and tail.
    #[error("the buffer is shorter than a block's head and tail")]
    TooShort,
    /// A place was given for a kind that has none, or none for a kind that has one.
    #[error("kind of block and log place do not go together")]
    Place,
    /// The system's generator failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Why a block was not opened. Its bytes are unspecified then, and hold no plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The block is not what was sealed for this scope, kind and place under this key. Deliberately without detail.
    #[error("a sealed block failed authentication")]
    Unauthentic,
    /// The block says that it is of a newer format. It may as well be a block that was changed.
    #[error("sealed block of format version {found}; this build reads up to {FORMAT_VERSION}")]
    NewerFormat {
        /// The version that the block names.
        found: u8,
    },
    /// A primitive failed: the machine's fault, not the block's.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl From<Unauthentic> for OpenError {
    fn from(Unauthentic: Unauthentic) -> Self {
        OpenError::Unauthentic
    }
}

/// The head of a block, read but **not authenticated**: good for choosing a key and for counting blocks of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHead {
    /// What the block holds.
    pub kind: BlockKind,
    /// The table key's generation.
    pub generation: Generation,
    /// The epoch's salt.
    pub salt: [u8; SALT_LEN],
    /// The nonce.
    pub nonce: [u8; NONCE_LEN],
}

impl BlockHead {
    /// Reads the head of a block from any bytes.
    ///
    /// # Errors
    /// [`OpenError::NewerFormat`] if the block names one, [`OpenError::Unauthentic`] for everything else.
    pub fn parse(block: &[u8]) -> Result<Self, OpenError> {
        let (prefix, rest) = block.split_first_chunk().ok_or(OpenError::Unauthentic)?;
        let nonce = rest.first_chunk().ok_or(OpenError::Unauthentic)?;
        let Prefix {
            kind,
            generation,
            salt,
        } = Prefix::parse(prefix)?;
        Ok(Self {
            kind,
            generation,
            salt: *salt,
            nonce: *nonce,
        })
    }

    /// The bytes of the head.
    pub(crate) fn to_bytes(self) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        head[..PREFIX_LEN].copy_from_slice(&prefix_of_any_kind(self.generation, &self.salt));
        head[KIND_AT] = self.kind as u8;
        head[PREFIX_LEN..].copy_from_slice(&self.nonce);
        head
    }
}

/// The head without its nonce, borrowed: opening copies nothing that it need not.
pub(crate) struct Prefix<'a> {
    pub(crate) kind: BlockKind,
    pub(crate) generation: Generation,
    pub(crate) salt: &'a [u8; SALT_LEN],
}

impl<'a> Prefix<'a> {
    #[inline]
    pub(crate) fn parse(prefix: &'a [u8; PREFIX_LEN]) -> Result<Self, OpenError> {
        let [magic, version, suite, kind, g0, g1, g2, g3, ..] = *prefix;
        if magic != MAGIC {
            return Err(OpenError::Unauthentic);
        }
        if version > FORMAT_VERSION {
            return Err(OpenError::NewerFormat { found: version });
        }
        if version != FORMAT_VERSION || suite != SUITE_AES_256_GCM {
            return Err(OpenError::Unauthentic);
        }
        let kind = BlockKind::from_byte(kind).ok_or(OpenError::Unauthentic)?;
        let generation = Generation::new(u32::from_be_bytes([g0, g1, g2, g3]));
        let salt = prefix.last_chunk().ok_or(OpenError::Unauthentic)?; // 16 of 24: always there
        Ok(Self {
            kind,
            generation,
            salt,
        })
    }
}

/// The head without its nonce, as all blocks of an epoch share it; the kind is still to be set.
pub(crate) fn prefix_of_any_kind(
    generation: Generation,
    salt: &[u8; SALT_LEN],
) -> [u8; PREFIX_LEN] {
    let mut prefix = [0; PREFIX_LEN];
    prefix[0] = MAGIC;
    prefix[1] = FORMAT_VERSION;
    prefix[2] = SUITE_AES_256_GCM;
    prefix[4..8].copy_from_slice(&generation.get().to_be_bytes());
    prefix[8..].copy_from_slice(salt);
    prefix
}

/// The four parts of a block.
pub(crate) struct Parts<'a> {
    /// The head without its nonce.
    pub(crate) prefix: &'a mut [u8; PREFIX_LEN],
    pub(crate) nonce: &'a mut [u8; NONCE_LEN],
    pub(crate) text: &'a mut [u8],
    pub(crate) tag: &'a mut [u8; TAG_LEN],
}

impl<'a> Parts<'a> {
    /// `None` if the block is shorter than head and tail.
    #[inline]
    pub(crate) fn of(block: &'a mut [u8]) -> Option<Self> {
        let (prefix, rest) = block.split_first_chunk_mut()?;
        let (nonce, rest) = rest.split_first_chunk_mut()?;
        let (text, tag) = rest.split_last_chunk_mut()?;
        Some(Self {
            prefix,
            nonce,
            text,
            tag,
        })
    }
}

/// The tag of a block; `None` if it is too short to be one.
pub(crate) fn tag_of(block: &[u8]) -> Option<BlockTag> {
    let (_, rest) = block.split_first_chunk::<HEAD_LEN>()?;
    rest.last_chunk().map(|tag| BlockTag(*tag))
}

/// The part of the authenticated data that stays the same for a sealer.
pub(crate) struct ScopeAad([u8; SCOPE_AAD_LEN]);

impl ScopeAad {
    pub(crate) fn new(scope: &Scope) -> Self {
        let mut bytes = [0; SCOPE_AAD_LEN];
        bytes[..16].copy_from_slice(scope.database.as_bytes());
        bytes[16..32].copy_from_slice(scope.table.as_bytes());
        bytes[32..].copy_from_slice(&scope.purpose.tree().get().to_be_bytes());
        Self(bytes)
    }
}

/// Authenticated data of one block.
pub(crate) struct Aad {
    bytes: [u8; PLACED_AAD_LEN],
    placed: bool,
}

impl Aad {
    /// `prefix` with this kind, in this scope. `None` if kind and place do not go together.
    ///
    /// Copies from memory that was written long ago, on purpose: wide loads of bytes just stored one by one would stall.
    #[inline]
    pub(crate) fn new(
        prefix: &[u8; PREFIX_LEN],
        scope: &ScopeAad,
        kind: BlockKind,
        at: Option<LogPlace>,
    ) -> Option<Self> {
        if kind.has_place() != at.is_some() {
            return None;
        }
        let mut bytes = [0; PLACED_AAD_LEN];
        bytes[..24].copy_from_slice(prefix);
        bytes[KIND_AT] = kind as u8;
        bytes[24..60].copy_from_slice(&scope.0);
        bytes[60] = kind as u8;
        if let Some(LogPlace { segment, sequence }) = at {
            bytes[61..77].copy_from_slice(segment.as_bytes());
            bytes[77..85].copy_from_slice(&sequence.to_be_bytes());
        }
        Some(Self {
            bytes,
            placed: at.is_some(),
        })
    }

    /// The head without its nonce, as it was authenticated.
    #[inline]
    pub(crate) fn prefix(&self) -> &[u8; PREFIX_LEN] {
        self.bytes.first_chunk().unwrap_or(&[0; PREFIX_LEN]) // 24 of 85: always there
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.placed {
            &self.bytes
        } else {
            &self.bytes[..AAD_LEN]
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(kind: BlockKind) -> BlockHead {
        BlockHead {
            kind,
            generation: Generation::new(0x0102_0304),
            salt: [0x55; 16],
            nonce: [0x77; 12],
        }
    }

    #[test]
    fn the_head_stands_where_the_table_says() {
        let bytes = head(BlockKind::Root).to_bytes();
        assert_eq!(bytes[..8], [0xDB, 1, 1, 6, 1, 2, 3, 4]);
        assert_eq!(bytes[8..24], [0x55; 16]);
        assert_eq!(bytes[24..], [0x77; 12]);
        assert_eq!(OVERHEAD, 52);
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for (index, kind) in BlockKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index + 1);
            assert_eq!(BlockKind::from_byte(kind as u8), Some(kind));
        }
        assert_eq!(BlockKind::from_byte(0), None);
        assert_eq!(BlockKind::from_byte(9), None);
    }

    #[test]
    fn authenticated_data_of_different_contexts_differs() {
        let place = |segment, sequence| {
            Some(LogPlace {
                segment: SegmentId::from_bytes([segment; 16]),
                sequence,
            })
        };
        let scope = |database, table, purpose| Scope {
            database: DatabaseId::from_bytes([database; 16]),
            table: TableId::from_bytes([table; 16]),
            purpose,
        };
        let prefix = prefix_of_any_kind(Generation::FIRST, &[5; 16]);
        let aad = |scope: Scope, kind, at| {
            Aad::new(&prefix, &ScopeAad::new(&scope), kind, at).map(|aad| aad.as_slice().to_vec())
        };
        let pages = scope(1, 2, Purpose::Pages(TreeId::new(3)));
        let all = [
            aad(pages, BlockKind::Leaf, None),
            aad(pages, BlockKind::Inner, None),
            aad(scope(9, 2, pages.purpose), BlockKind::Leaf, None),
            aad(scope(1, 9, pages.purpose), BlockKind::Leaf, None),
            aad(
                scope(1, 2, Purpose::Pages(TreeId::new(9))),
                BlockKind::Leaf,
                None,
            ),
            aad(pages, BlockKind::LogPart, place(4, 5)),
            aad(pages, BlockKind::LogPart, place(9, 5)),
            aad(pages, BlockKind::LogPart, place(4, 9)),
            aad(pages, BlockKind::LogFrame, place(4, 5)),
        ];
        for (index, one) in all.iter().enumerate() {
            let one = one.as_ref().unwrap();
            assert_eq!(one.len(), if index < 5 { 61 } else { 85 });
            assert!(
                all[..index].iter().flatten().all(|other| other != one),
                "{index}"
            );
        }
        assert_eq!(aad(pages, BlockKind::Leaf, place(4, 5)), None);
        assert_eq!(aad(pages, BlockKind::LogPart, None), None);
    }

    #[test]
    fn only_a_newer_version_is_named() {
        let good = head(BlockKind::Leaf).to_bytes();
        for (at, byte, expected) in [
            (0, 0xDA, OpenError::Unauthentic),
            (1, 0, OpenError::Unauthentic),
            (1, 2, OpenError::NewerFormat { found: 2 }),
            (2, 0, OpenError::Unauthentic),
            (2, 2, OpenError::Unauthentic),
            (3, 0, OpenError::Unauthentic),
            (3, 9, OpenError::Unauthentic),
        ] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(BlockHead::parse(&bad), Err(expected), "byte {at} = {byte}");
        }
        assert_eq!(BlockHead::parse(&good[..35]), Err(OpenError::Unauthentic));
        assert_eq!(BlockHead::parse(&[]), Err(OpenError::Unauthentic));
    }

    proptest! {
        #[test]
        fn heads_come_back(kind in 0..8usize, generation: u32, salt: [u8; 16], nonce: [u8; 12], rest: Vec<u8>) {
            let head = BlockHead { kind: BlockKind::ALL[kind], generation: Generation::new(generation), salt, nonce };
            let mut block = head.to_bytes().to_vec();
            block.extend(rest);
            prop_assert_eq!(BlockHead::parse(&block), Ok(head));
        }

        #[test]
        fn what_parses_is_what_was_written(mut bytes: Vec<u8>, likely: bool) {
            if likely {
                bytes.splice(0..bytes.len().min(4), [MAGIC, FORMAT_VERSION, SUITE_AES_256_GCM, 1]);
            }
            if let Ok(head) = BlockHead::parse(&bytes) {
                prop_assert_eq!(&head.to_bytes()[..], &bytes[..HEAD_LEN]);
            }
        }
    }
}
