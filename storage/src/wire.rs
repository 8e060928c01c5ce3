//! Reading and writing of fixed byte formats: a cursor that cannot panic.
//!
//! Everything that comes off a disk (root slots, log frames, log parts, catalog records) is read through [`Reader`], whose every
//! step is checked: foreign bytes give an error that names what was read, never a panic and never an allocation larger
//! than the input. Integers are big-endian.

#![deny(clippy::indexing_slicing)]

/// Bytes that are not what their format says. Names the field, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// A checked cursor over foreign bytes.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Malformed(what))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed(what))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(what).map(|[b]| b)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A byte string with a 16-bit length before it.
    pub(crate) fn short_bytes(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let len = usize::from(self.u16(what)?);
        self.bytes(len, what)
    }

    /// A byte string with a 32-bit length before it.
    pub(crate) fn long_bytes(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.u32(what)?).map_err(|_| Malformed(what))?;
        self.bytes(len, what)
    }

    /// UTF-8 text with a 16-bit length before it.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.short_bytes(what)?).map_err(|_| Malformed(what))
    }

    /// Nothing may follow.
    pub(crate) fn end(&self, what: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed(what))
        }
    }
}

/// The writing side; appends to a vector.
pub(crate) trait Write {
    fn put_u8(&mut self, value: u8);
    fn put_u16(&mut self, value: u16);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    fn put_raw(&mut self, bytes: &[u8]);
    /// # Panics
    /// When `bytes` is longer than 65,535: only bounded fields (names, wrapped keys) are written with it.
    fn put_short_bytes(&mut self, bytes: &[u8]);
    /// # Panics
    /// When `bytes` is longer than `u32::MAX`.
    fn put_long_bytes(&mut self, bytes: &[u8]);
}

impl Write for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }
    fn put_raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn put_short_bytes(&mut self, bytes: &[u8]) {
        let len = u16::try_from(bytes.len()).expect("a short field is at most 65,535 bytes");
        self.put_u16(len);
        self.put_raw(bytes);
    }
    fn put_long_bytes(&mut self, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).expect("a long field is at most 4 GiB");
        self.put_u32(len);
        self.put_raw(bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u8, b: u16, c: u32, d: u64, s in proptest::collection::vec(any::<u8>(), 0..300), t in ".{0,40}") {
            let mut out = Vec::new();
            out.put_u8(a);
            out.put_u16(b);
            out.put_u32(c);
            out.put_u64(d);
            out.put_short_bytes(&s);
            out.put_long_bytes(&s);
            out.put_short_bytes(t.as_bytes());
            let mut r = Reader::new(&out);
            prop_assert_eq!(r.u8("a").unwrap(), a);
            prop_assert_eq!(r.u16("b").unwrap(), b);
            prop_assert_eq!(r.u32("c").unwrap(), c);
            prop_assert_eq!(r.u64("d").unwrap(), d);
            prop_assert_eq!(r.short_bytes("s").unwrap(), &s[..]);
            prop_assert_eq!(r.long_bytes("s").unwrap(), &s[..]);
            prop_assert_eq!(r.text("t").unwrap(), &t);
            prop_assert!(r.is_empty());
            r.end("end").unwrap();
        }
    }

    #[test]
    fn a_length_beyond_the_input_is_an_error() {
        let mut r = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(r.long_bytes("field"), Err(Malformed("field")));
        let mut r = Reader::new(&[0, 1]);
        assert_eq!(r.u32("number"), Err(Malformed("number")));
    }
}
