//! Opened blocks become pages here. Everything is checked once, so that access need not check again: what comes from a disk
//! is foreign even when its tag fits (a bug that wrote it, an older version of us). Nothing here panics.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use super::cell::Cell;
use super::inner::{self, Builder, Inner};
use super::leaf::{self, Decoded, Frame, Leaf};
use super::pointer::{LEAF, MAX_LEVEL, PagePtr, VALUE};
use crate::plaintext::Plaintext;

/// What is wrong with a page. Names a rule, never content.
pub(super) type Flaw = &'static str;

fn u16_at(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    let pair = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
    pair.map(|pair| usize::from(u16::from_le_bytes(*pair)))
        .ok_or("a field lies outside the page")
}

fn byte_at(bytes: &[u8], at: usize) -> Result<u8, Flaw> {
    bytes
        .get(at)
        .copied()
        .ok_or("a field lies outside the page")
}

fn range(bytes: &[u8], start: usize, len: usize) -> Result<&[u8], Flaw> {
    let end = start.checked_add(len).ok_or("a length is out of range")?;
    bytes
        .get(start..end)
        .ok_or("an entry lies outside the page")
}

fn pointer_at(bytes: &[u8], at: usize) -> Result<PagePtr, Flaw> {
    let chunk = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<{ PagePtr::LEN }>());
    chunk
        .and_then(PagePtr::decode)
        .ok_or("a pointer is malformed")
}

/// Validates the plain area of a leaf's block. `max_key` bounds the keys, `frame` is that of the block.
pub(super) fn leaf(mut block: Plaintext, frame: Frame, max_key: usize) -> Result<Leaf, Flaw> {
    let end = frame
        .len
        .checked_sub(frame.tail)
        .ok_or("the block is too short")?;
    if block.len() != frame.len || frame.len >= 1 << 16 {
        return Err("the block has another length than a leaf");
    }
    let plain = block
        .get_mut(frame.head..end)
        .ok_or("the block is too short")?;
    let cap = plain.len();
    if byte_at(plain, 0)? != leaf::FORMAT {
        return Err("the leaf has an unknown format");
    }
    if byte_at(plain, 1)? != LEAF {
        return Err("the leaf claims another level");
    }
    let (count, prefix, heap) = (u16_at(plain, 2)?, u16_at(plain, 4)?, u16_at(plain, 6)?);
    if count == 0 {
        return Err("the leaf is empty");
    }
    let entries_end = cap
        .checked_sub(prefix)
        .ok_or("the prefix is longer than the page")?;
    if heap > entries_end || leaf::HEADER + leaf::SLOT * count > heap {
        return Err("slots and entries overlap");
    }
    range(plain, entries_end, prefix)?;

    let mut values = Vec::new();
    let mut patches = Vec::new();
    let mut total = 0;
    let mut tags = Vec::with_capacity(count);
    let mut last: Option<(u32, &[u8], usize)> = None;
    for i in 0..count {
        let slot = leaf::HEADER + leaf::SLOT * i;
        let head_bytes = range(plain, slot, leaf::HEAD)?;
        let offset = u16_at(plain, slot + leaf::HEAD)?;
        if offset < heap {
            return Err("an entry lies among the slots");
        }
        let klen = u16_at(plain, offset)?;
        let vlen = u16_at(plain, offset + 2)?;
        if prefix + klen > max_key {
            return Err("a key is too long");
        }
        if head_bytes.iter().skip(klen).any(|byte| *byte != 0) {
            return Err("a short key is not padded with zeros");
        }
        let rest_len = klen.saturating_sub(leaf::HEAD);
        let rest = range(plain, offset + leaf::ENTRY, rest_len)?;
        let at = offset + leaf::ENTRY + rest_len;
        let stored = if vlen == usize::from(leaf::OUT_OF_LINE) {
            let ptr = pointer_at(plain, at)?;
            if ptr.level != VALUE {
                return Err("a value out of line points to a page");
            }
            patches.push((at, values.len()));
            values.push(Some(Cell::stored(ptr)));
            PagePtr::LEN
        } else {
            vlen
        };
        range(plain, at, stored)?;
        if at + stored > entries_end {
            return Err("an entry runs into the prefix");
        }
        total += leaf::ENTRY + rest_len + stored;
        let head = leaf::slot_head(head_bytes);
        if last.is_some_and(|last| last >= (head, rest, klen)) {
            return Err("keys are out of order");
        }
        last = Some((head, rest, klen));
        tags.push(leaf::tag(head, rest));
    }
    if total != entries_end - heap {
        return Err("entries overlap or leave gaps");
    }
    for (at, index) in patches {
        let index = u16::try_from(index).map_err(|_| "too many values out of line")?;
        let field = plain
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut::<2>());
        *field.ok_or("a field lies outside the page")? = index.to_le_bytes();
    }
    Ok(Leaf::from_decoded(
        block,
        frame,
        Decoded {
            count,
            prefix,
            heap,
            tags,
            values,
        },
    ))
}

/// Validates the plain area of an inner page that should stand at `level`.
pub(super) fn inner(plain: &[u8], level: u8, max_key: usize) -> Result<Inner, Flaw> {
    if byte_at(plain, 0)? != inner::FORMAT {
        return Err("the inner page has an unknown format");
    }
    if byte_at(plain, 1)? != level || level == LEAF || level > MAX_LEVEL {
        return Err("the inner page claims another level");
    }
    let (count, prefix) = (u16_at(plain, 2)?, u16_at(plain, 4)?);
    if u16_at(plain, 6)? != 0 {
        return Err("a reserved field is set");
    }
    if count == 0 {
        return Err("the inner page has no children");
    }
    let prefix_bytes = range(plain, inner::HEADER, prefix)?;
    let pointers = inner::HEADER + prefix;
    let mut children = Vec::with_capacity(count);
    for i in 0..count {
        let ptr = pointer_at(plain, pointers + PagePtr::LEN * i)?;
        if ptr.level != level - 1 {
            return Err("a child has another level than its parent says");
        }
        children.push(Cell::stored(ptr));
    }
    let ends = pointers + PagePtr::LEN * count;
    let bytes = ends + 2 * (count - 1);
    let mut separators = Builder::new(prefix_bytes, count - 1);
    let mut start = 0;
    let mut last: Option<&[u8]> = None;
    for i in 0..count - 1 {
        let end = u16_at(plain, ends + 2 * i)?;
        let len = end.checked_sub(start).ok_or("separators run backwards")?;
        if prefix + len > max_key {
            return Err("a separator is too long");
        }
        let suffix = range(plain, bytes + start, len)?;
        if last.is_some_and(|last| last >= suffix) {
            return Err("separators are out of order");
        }
        separators.push_suffix(suffix);
        last = Some(suffix);
        start = end;
    }
    Ok(Inner::new(level, children, separators.build()))
}
