//! The bytes of an item at rest, before they are sealed.
//!
//! | bytes | what |
//! |-------|------|
//! | 1     | version, `02` |
//! | varint | size of the item by AWS's rules ([`crate::item_size`]) |
//! | varint | length of the text |
//! | …     | the text: UTF-8, every string of the item one after another, in the order in which the rest takes them |
//! | map   | the item |
//!
//! | part   | bytes |
//! |--------|-------|
//! | varint | an unsigned number, 7 bits a byte from the lowest, the top bit set in all but the last; at most 4 bytes, no more than needed |
//! | string | varint length; that many bytes of the text |
//! | binary | varint length ‖ that many bytes |
//! | map    | varint count ‖ count × string, the names, ascending by their bytes ‖ count × value |
//! | value  | 1 byte tag ‖ content |
//! | number | 1 byte: bit 7 negative, bits 0 to 4 the count *c* of bytes of digits ‖ (if c > 0) varint of exponent + 167 ‖ c bytes of digits as a big-endian integer, the first not 0 |
//!
//! | tag  | type | content | | tag  | type | content |
//! |------|------|---------|-|------|------|---------|
//! | `00` | NULL | none    | | `06` | M    | map |
//! | `01` | BOOL false | none | | `07` | L | varint count ‖ values |
//! | `02` | BOOL true  | none | | `08` | SS | varint count ‖ strings, ascending |
//! | `03` | S    | string  | | `09` | NS   | varint count ‖ numbers, ascending |
//! | `04` | N    | number  | | `0A` | BS   | varint count ‖ binaries, ascending |
//! | `05` | B    | binary  | |      |      | |
//!
//! The strings stand together because checking UTF-8 once is five times faster than string by string, and because the
//! names of a map are then copied at once.
//!
//! Version `01` differs in the size: a number counted for one byte, and one for every two significant digits, wherever the point and
//! whatever the sign. It is read, and no longer written.
//!
//! Guaranteed: equal items are equal bytes, and [`decode_item`] accepts no other bytes than those that [`encode_item`]
//! writes, or wrote in version `01`; whatever the bytes, it neither panics, nor nests deeper than [`MAX_DEPTH`], nor holds more memory than 128 KiB and
//! [`MAX_EXPANSION`] bytes for each of theirs. Not guaranteed: that a decoded item passes
//! [`crate::validate_item`] (its size may be any).

use crate::map::{Item, Map};
use crate::number::Number;
use crate::size::{CONTAINER_SIZE, ELEMENT_SIZE, MAX_DEPTH, item_size, item_size_by_digits};
use crate::value::{AttributeValue, sorted};

/// Version of the format, the first byte of an item.
pub const VERSION: u8 = 2;
/// The version before, which is read.
const BEFORE: u8 = 1;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const S: u8 = 3;
const N: u8 = 4;
const B: u8 = 5;
const M: u8 = 6;
const L: u8 = 7;
const SS: u8 = 8;
const NS: u8 = 9;
const BS: u8 = 10;

/// Largest number that a varint holds: 4 bytes of 7 bits.
const MAX_VARINT: usize = (1 << 28) - 1;
/// Added to a number's exponent, whose least is -130 - 37, to make it unsigned.
const EXPONENT_BIAS: i32 = 167;
/// A vector grows as its elements arrive, from at most this many at first.
const FIRST_CAPACITY: usize = 64;
/// The most memory that a byte can ask for: an element of a list is a byte at least, its vector grows by doubling.
pub const MAX_EXPANSION: usize = 2 * size_of::<AttributeValue>();

/// Why bytes are not those of an item. They come from sealed blocks, so this means damage inside of the seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by a newer version.
    #[error("item has format version {0}, this program reads version {VERSION}")]
    Version(u8),
    /// They end too early.
    #[error("item ends too early")]
    Truncated,
    /// Bytes follow the item.
    #[error("bytes follow the item")]
    Trailing,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("item is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Anything else that `encode_item` would not have written.
    #[error("item is malformed: {0}")]
    Malformed(&'static str),
    /// Asked to write an item that the format does not hold: a part of 256 MiB or more.
    #[error("item is too large for the format")]
    TooLarge,
}

/// Appends the bytes of an item.
///
/// # Errors
/// [`CodecError::TooDeep`] and [`CodecError::TooLarge`], neither of which happens to an item that passed
/// [`crate::validate_item`]. `out` then holds a part of the item.
pub fn encode_item(item: &Item, out: &mut Vec<u8>) -> Result<(), CodecError> {
    // The depth is known before anything else recurses.
    check_depth_of_map(item, 0)?;
    out.push(VERSION);
    put_varint(out, item_size(item))?;
    put_varint(out, text_length_of_map(item))?;
    put_text_of_map(out, item);
    put_map(out, item)
}

/// The item of these bytes.
///
/// # Errors
/// [`CodecError`] if they are not exactly what [`encode_item`] writes, or wrote.
pub fn decode_item(bytes: &[u8]) -> Result<Item, CodecError> {
    let (version, size, rest) = open(bytes)?;
    let mut reader = Reader {
        bytes: rest,
        text: "",
    };
    reader.text = std::str::from_utf8(reader.binary()?)
        .map_err(|_| CodecError::Malformed("its text is not UTF-8"))?;
    let mut actual = 0;
    let item = reader.map(0, &mut actual)?;
    if !reader.bytes.is_empty() || !reader.text.is_empty() {
        return Err(CodecError::Trailing);
    }
    if version == BEFORE {
        actual = item_size_by_digits(&item);
    }
    if size != actual {
        return Err(CodecError::Malformed("its size is not the stated one"));
    }
    Ok(item)
}

/// The size of the item by AWS's rules, read from the head of its bytes; the rest is not looked at.
///
/// # Errors
/// [`CodecError`] if the head is malformed.
pub fn encoded_item_size(bytes: &[u8]) -> Result<usize, CodecError> {
    open(bytes).map(|(_, size, _)| size)
}

/// The version, the stated size, and the rest.
fn open(bytes: &[u8]) -> Result<(u8, usize, &[u8]), CodecError> {
    match bytes {
        [version @ (VERSION | BEFORE), rest @ ..] => {
            let (size, rest) = varint(rest)?;
            Ok((*version, size, rest))
        }
        [version, ..] => Err(CodecError::Version(*version)),
        [] => Err(CodecError::Truncated),
    }
}

fn check_depth_of_map(map: &Map, depth: usize) -> Result<(), CodecError> {
    map.values().try_for_each(|value| check_depth(value, depth))
}

fn check_depth(value: &AttributeValue, depth: usize) -> Result<(), CodecError> {
    match value {
        AttributeValue::M(_) | AttributeValue::L(_) if depth == MAX_DEPTH => {
            Err(CodecError::TooDeep)
        }
        AttributeValue::M(map) => check_depth_of_map(map, depth + 1),
        AttributeValue::L(list) => list
            .iter()
            .try_for_each(|value| check_depth(value, depth + 1)),
        _ => Ok(()),
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) -> Result<(), CodecError> {
    if value > MAX_VARINT {
        return Err(CodecError::TooLarge);
    }
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    Ok(())
}

fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), CodecError> {
    put_varint(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Calls `take` with each string that stands in the text, in order. The names of a map are one.
fn each_text<'a>(value: &'a AttributeValue, take: &mut impl FnMut(&'a str)) {
    match value {
        AttributeValue::S(text) => take(text),
        AttributeValue::M(map) => each_text_of_map(map, take),
        AttributeValue::L(list) => list.iter().for_each(|value| each_text(value, take)),
        AttributeValue::Ss(set) => in_order(set).for_each(|text| take(text)),
        _ => {}
    }
}

fn each_text_of_map<'a>(map: &'a Map, take: &mut impl FnMut(&'a str)) {
    take(map.joined_names());
    map.values().for_each(|value| each_text(value, take));
}

fn text_length_of_map(map: &Map) -> usize {
    let mut length = 0;
    each_text_of_map(map, &mut |text| length += text.len());
    length
}

fn put_text_of_map(out: &mut Vec<u8>, map: &Map) {
    each_text_of_map(map, &mut |text| out.extend_from_slice(text.as_bytes()));
}

/// The elements of a set in their order, which they mostly have.
fn in_order<T: Ord>(set: &[T]) -> impl Iterator<Item = &T> {
    let (as_is, sorted) = if set.is_sorted() {
        (set, Vec::new())
    } else {
        (&[][..], sorted(set))
    };
    as_is.iter().chain(sorted)
}

fn put_map(out: &mut Vec<u8>, map: &Map) -> Result<(), CodecError> {
    put_varint(out, map.len())?;
    map.keys()
        .try_for_each(|name| put_varint(out, name.len()))?;
    map.values().try_for_each(|value| put_value(out, value))
}

fn put_value(out: &mut Vec<u8>, value: &AttributeValue) -> Result<(), CodecError> {
    match value {
        AttributeValue::Null => out.push(NULL),
        AttributeValue::Bool(false) => out.push(FALSE),
        AttributeValue::Bool(true) => out.push(TRUE),
        AttributeValue::S(text) => {
            out.push(S);
            put_varint(out, text.len())?;
        }
        AttributeValue::N(number) => {
            out.push(N);
            put_number(out, number)?;
        }
        AttributeValue::B(bytes) => {
            out.push(B);
            put_binary(out, bytes)?;
        }
        AttributeValue::M(map) => {
            out.push(M);
            put_map(out, map)?;
        }
        AttributeValue::L(list) => {
            out.push(L);
            put_varint(out, list.len())?;
            list.iter().try_for_each(|value| put_value(out, value))?;
        }
        AttributeValue::Ss(set) => put_set(out, SS, set, |out, text| put_varint(out, text.len()))?,
        AttributeValue::Ns(set) => put_set(out, NS, set, put_number)?,
        AttributeValue::Bs(set) => put_set(out, BS, set, |out, bytes| put_binary(out, bytes))?,
    }
    Ok(())
}

fn put_set<T: Ord>(
    out: &mut Vec<u8>,
    tag: u8,
    set: &[T],
    put: impl Fn(&mut Vec<u8>, &T) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    out.push(tag);
    put_varint(out, set.len())?;
    in_order(set).try_for_each(|element| put(out, element))
}

fn put_number(out: &mut Vec<u8>, number: &Number) -> Result<(), CodecError> {
    let (negative, digits, exponent) = number.to_parts();
    let bytes = digits.to_be_bytes();
    let zeros = digits.leading_zeros() as usize / 8;
    let significant = bytes.get(zeros..).unwrap_or_default();
    out.push(u8::from(negative) << 7 | significant.len() as u8);
    if !significant.is_empty() {
        put_varint(out, (exponent + EXPONENT_BIAS) as usize)?;
        out.extend_from_slice(significant);
    }
    Ok(())
}

/// A number from the front of the bytes, and the rest.
#[inline(always)]
fn varint(bytes: &[u8]) -> Result<(usize, &[u8]), CodecError> {
    match bytes {
        [first, rest @ ..] if *first < 0x80 => Ok((usize::from(*first), rest)),
        _ => long_varint(bytes),
    }
}

#[inline(never)]
fn long_varint(bytes: &[u8]) -> Result<(usize, &[u8]), CodecError> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            return match byte {
                0 if at > 0 => Err(CodecError::Malformed("a varint is longer than needed")),
                _ => Ok((value, bytes.get(at + 1..).unwrap_or_default())),
            };
        }
    }
    Err(match bytes.len() {
        0..4 => CodecError::Truncated,
        _ => CodecError::Malformed("a varint is longer than 4 bytes"),
    })
}

/// What is left to read.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
}

impl<'a> Reader<'a> {
    #[inline(always)]
    fn byte(&mut self) -> Result<u8, CodecError> {
        let (&byte, rest) = self.bytes.split_first().ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(byte)
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<usize, CodecError> {
        let (value, rest) = varint(self.bytes)?;
        self.bytes = rest;
        Ok(value)
    }

    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    fn binary(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.varint()?;
        self.take(length)
    }

    #[inline(always)]
    fn text(&mut self) -> Result<&'a str, CodecError> {
        let length = self.varint()?;
        match self.text.split_at_checked(length) {
            Some((text, rest)) => {
                self.text = rest;
                Ok(text)
            }
            None if length > self.text.len() => Err(CodecError::Truncated),
            None => Err(CodecError::Malformed("a string ends within a character")),
        }
    }

    #[inline(always)]
    fn string(&mut self) -> Result<String, CodecError> {
        self.text().map(str::to_owned)
    }

    /// A count of elements, each of which takes at least `least` bytes. Never more than the bytes left could hold.
    fn count(&mut self, least: usize) -> Result<usize, CodecError> {
        let count = self.varint()?;
        if count > self.bytes.len() / least {
            Err(CodecError::Truncated)
        } else {
            Ok(count)
        }
    }

    /// The reader behind the names of a map. By value, so that it stays in registers.
    #[inline]
    fn after_names(mut self, count: usize) -> Result<Self, CodecError> {
        let mut last = None;
        for _ in 0..count {
            let name = Some(self.text()?);
            if last >= name {
                return Err(CodecError::Malformed("the names of a map do not ascend"));
            }
            last = name;
        }
        Ok(self)
    }

    fn map(&mut self, depth: usize, size: &mut usize) -> Result<Map, CodecError> {
        // The length of a name, and the tag of a value.
        let count = self.count(2)?;
        let before = *self;
        *self = before.after_names(count)?;
        let names = before.text.len() - self.text.len();
        let names = before.text.get(..names).unwrap_or_default();
        *size += names.len();
        let mut map = Map::with_names(names, count.min(FIRST_CAPACITY));
        // The lengths are read again, beside the values.
        let (mut lengths, mut end) = (before.bytes, 0);
        for _ in 0..count {
            let (length, rest) = varint(lengths)?;
            lengths = rest;
            end += length;
            map.push(end, self.value(depth, size)?);
        }
        Ok(map)
    }

    /// The commonest types are read in place; a value is moved around as little as possible.
    #[inline(always)]
    fn value(&mut self, depth: usize, size: &mut usize) -> Result<AttributeValue, CodecError> {
        match self.byte()? {
            S => {
                let text = self.string()?;
                *size += text.len();
                Ok(AttributeValue::S(text))
            }
            N => {
                let number = self.number()?;
                *size += number.size();
                Ok(AttributeValue::N(number))
            }
            tag => self.other_value(tag, depth, size),
        }
    }

    #[inline(never)]
    fn other_value(
        &mut self,
        tag: u8,
        depth: usize,
        size: &mut usize,
    ) -> Result<AttributeValue, CodecError> {
        Ok(match tag {
            B => {
                let bytes = self.binary()?;
                *size += bytes.len();
                AttributeValue::B(bytes.to_vec())
            }
            NULL | FALSE | TRUE => {
                *size += 1;
                if tag == NULL {
                    AttributeValue::Null
                } else {
                    AttributeValue::Bool(tag == TRUE)
                }
            }
            M | L if depth == MAX_DEPTH => return Err(CodecError::TooDeep),
            M => {
                let map = self.map(depth + 1, size)?;
                *size += CONTAINER_SIZE + map.len() * ELEMENT_SIZE;
                AttributeValue::M(map)
            }
            L => {
                let count = self.count(1)?;
                let mut list = Vec::with_capacity(count.min(FIRST_CAPACITY));
                for _ in 0..count {
                    list.push(self.value(depth + 1, size)?);
                }
                *size += CONTAINER_SIZE + count * ELEMENT_SIZE;
                AttributeValue::L(list)
            }
            SS => AttributeValue::Ss(self.set(size, Self::string, String::len)?),
            NS => AttributeValue::Ns(self.set(size, Self::number, |number| number.size())?),
            BS => AttributeValue::Bs(self.set(
                size,
                |reader| reader.binary().map(<[u8]>::to_vec),
                Vec::len,
            )?),
            _ => return Err(CodecError::Malformed("unknown tag of a value")),
        })
    }

    fn set<T: Ord>(
        &mut self,
        size: &mut usize,
        read: impl Fn(&mut Self) -> Result<T, CodecError>,
        length: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.count(1)?;
        let mut set: Vec<T> = Vec::with_capacity(count.min(FIRST_CAPACITY));
        for _ in 0..count {
            let element = read(self)?;
            if set.last().is_some_and(|last| *last > element) {
                return Err(CodecError::Malformed("the elements of a set do not ascend"));
            }
            *size += length(&element);
            set.push(element);
        }
        Ok(set)
    }

    fn number(&mut self) -> Result<Number, CodecError> {
        let malformed = CodecError::Malformed("a number is not in its shortest form");
        let head = self.byte()?;
        let count = usize::from(head & 0x7F);
        if count == 0 {
            return if head == 0 {
                Ok(Number::ZERO)
            } else {
                Err(malformed)
            };
        }
        if count > 16 {
            return Err(malformed);
        }
        let exponent = self.varint()? as i32 - EXPONENT_BIAS;
        let mut digits = 0u128;
        let bytes = self.take(count)?;
        if bytes.first() == Some(&0) {
            return Err(malformed);
        }
        for &byte in bytes {
            digits = digits << 8 | u128::from(byte);
        }
        let number =
            Number::from_parts(head & 0x80 != 0, digits, exponent).map_err(|_| malformed)?;
        // Trailing zeros would have gone into the exponent.
        if number.to_parts().2 == exponent {
            Ok(number)
        } else {
            Err(malformed)
        }
    }
}

#[cfg(test)]
mod tests;
