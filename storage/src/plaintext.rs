//! Plaintext of items in buffers of our own: wiped before the allocator gets them back.
//!
//! A table that closes must leave nothing of its pages behind, and an allocator keeps what it is given as it is. So every buffer that holds a
//! page, or bytes on their way into or out of one, is wiped when it goes, not only when a table closes: by then it may be long gone. It
//! costs as much as copying the page did, and no read pays for it.
//!
//! Not covered: items taken apart for one request (`Item`, answers), keys that a search or a division of pages works with, and the
//! stack.

use std::ops::{Deref, DerefMut};

use sealdb_model::codec::{CodecError, encode_item};
use sealdb_model::{Item, item_size};
use zeroize::Zeroize;

/// A buffer that is wiped when it is dropped, and when it grows.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Plaintext(Vec<u8>);

impl Plaintext {
    pub(crate) fn copy(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// An item as it is stored.
    ///
    /// # Errors
    /// It cannot be: see [`encode_item`].
    pub(crate) fn of_item(item: &Item) -> Result<Self, CodecError> {
        let mut new = Self::default();
        // A value takes a tag and lengths beside its bytes: a number most, up to 5 bytes where AWS counts 2.
        new.write(256 + 3 * item_size(item), |out| encode_item(item, out))?;
        Ok(new)
    }

    /// Has so many bytes appended at most, without the buffer growing meanwhile.
    pub(crate) fn write<R>(&mut self, room: usize, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.reserve(room);
        let capacity = self.0.capacity();
        let written = write(&mut self.0);
        debug_assert_eq!(self.0.capacity(), capacity, "room for what is written");
        written
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.write(bytes.len(), |out| out.extend_from_slice(bytes));
    }

    /// Makes room for so many more bytes.
    pub(crate) fn reserve(&mut self, more: usize) {
        if self.0.capacity() - self.0.len() < more {
            let mut grown = Vec::with_capacity((self.0.len() + more).max(2 * self.0.len()));
            grown.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = grown;
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.0.get_mut(len..) {
            rest.zeroize();
        }
        self.0.truncate(len);
    }

    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl From<Vec<u8>> for Plaintext {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Plaintext {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Plaintext {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealdb_model::{AttributeValue, Number};

    #[test]
    fn it_grows_and_shrinks_like_a_vector() {
        let mut text = Plaintext::default();
        for n in 0..100u8 {
            text.extend_from_slice(&[n; 7]);
        }
        text.truncate(14);
        assert_eq!(&*text, &[[0; 7], [1; 7]].concat());
        text.clear();
        assert!(text.is_empty());
    }

    #[test]
    fn an_item_never_outgrows_its_room() {
        let number = |text: &str| AttributeValue::from(text.parse::<Number>().unwrap());
        let values = [
            number("-1E-130"),
            number("-9.9999999999999999999999999999999999999E+125"),
            AttributeValue::Null,
            AttributeValue::from(true),
            AttributeValue::from(""),
            AttributeValue::from("a"),
        ];
        for value in &values {
            let nested = AttributeValue::L(vec![AttributeValue::L(vec![value.clone(); 50]); 4]);
            let mut item = Item::new();
            for n in 0..100 {
                item.insert(format!("{n}"), value.clone());
            }
            item.insert("l", nested);
            // With debug assertions it checks itself.
            assert!(!Plaintext::of_item(&item).unwrap().is_empty());
        }
    }
}
