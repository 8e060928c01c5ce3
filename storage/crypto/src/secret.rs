//! Secret bytes: key material and passphrases.
//!
//! Guaranteed: keys are born in the [`arena`](crate::arena) and stay at that address, so no copy of them is left behind by a move; they
//! are wiped when dropped, as passphrases are; `Debug` prints no content. None of these types is `Clone`, `Copy`, `Display` or `Serialize`, and none
//! compares with `==` (use [`SecretBytes32::ct_eq`]): assertions below break the build of the tests otherwise.
//!
//! Not guaranteed: that a caller who copies what [`SecretBytes32::expose`] lends wipes the copy.

use std::fmt;
use std::sync::{Arc, OnceLock};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::arena::Place;
use crate::ids::Generation;
use crate::policy::Access;

/// Thirty-two secret bytes: a table key, a data key, a root key.
pub struct SecretBytes32(Place);

impl SecretBytes32 {
    /// Makes a secret in place: `fill` writes into the bytes where they will stay.
    ///
    /// # Errors
    /// Those of `fill`; what it had written by then is wiped.
    pub fn fill_with<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Place::take());
        fill(secret.0.bytes_mut())?;
        Ok(secret)
    }

    /// Takes the bytes over and wipes the place they came from.
    pub fn take(source: &mut [u8; 32]) -> Self {
        let mut secret = Self(Place::take());
        secret.0.bytes_mut().copy_from_slice(source);
        source.zeroize();
        secret
    }

    /// Copies a slice of exactly 32 bytes; `None` for any other length. The source remains the caller's to wipe.
    pub fn copy_from(source: &[u8]) -> Option<Self> {
        let source: &[u8; 32] = source.try_into().ok()?;
        let mut secret = Self(Place::take());
        secret.0.bytes_mut().copy_from_slice(source);
        Some(secret)
    }

    /// Lends the bytes. Named so that every place that sees them is found by one search.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// Compares in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl fmt::Debug for SecretBytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes32(..)")
    }
}

/// A secret text: a passphrase.
pub struct SecretString(Zeroizing<Box<str>>);

impl SecretString {
    /// Takes the text over. If the string had spare capacity, its old buffer is wiped before it is freed.
    pub fn new(text: String) -> Self {
        let text = Zeroizing::new(text);
        Self(Zeroizing::new(Box::from(text.as_str())))
    }

    /// Lends the text. Named so that every place that sees it is found by one search.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString(..)")
    }
}

/// The plaintext key of one table in one generation. Everything that a table seals is sealed under keys derived from it.
///
/// Shared as `Arc<TableKey>`; the bytes are wiped when the last holder lets go.
pub struct TableKey {
    secret: SecretBytes32,
    generation: Generation,
}

impl TableKey {
    /// A table key from 32 bytes that a KMS made.
    pub fn new(secret: SecretBytes32, generation: Generation) -> Self {
        Self { secret, generation }
    }

    /// Which of the table's keys this is. Stands in the clear at the head of each block.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Lends the bytes, inside this crate only.
    pub(crate) fn secret(&self) -> &SecretBytes32 {
        &self.secret
    }
}

impl fmt::Debug for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableKey")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The keys of one table as all its sealers share them: the newest seals, and while a rekey goes on the one before it still opens.
///
/// There are two at most. Once nothing is left that the older one sealed, its holder makes a new set of the newer one alone; the older
/// one is wiped with the last sealer of the old set.
pub struct TableKeys {
    first: Arc<TableKey>,
    next: OnceLock<Arc<TableKey>>,
    access: Access,
}

impl TableKeys {
    /// One key, which seals and opens.
    pub fn new(key: Arc<TableKey>) -> Self {
        Self {
            first: key,
            next: OnceLock::new(),
            access: Access::nobody(),
        }
    }

    /// With who may use what is under their KMS key.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Who may use what is under their KMS key, as of when they were unwrapped.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// From now on a newer key seals, at every sealer of the set, and both open. False, and nothing has changed, if it is not newer, or
    /// there are two already.
    pub fn succeed(&self, next: Arc<TableKey>) -> bool {
        next.generation() > self.first.generation() && self.next.set(next).is_ok()
    }

    /// The key that seals.
    #[inline]
    pub fn active(&self) -> &Arc<TableKey> {
        self.next.get().unwrap_or(&self.first)
    }

    /// The key of a generation.
    #[inline]
    pub fn of(&self, generation: Generation) -> Option<&Arc<TableKey>> {
        let both = [Some(&self.first), self.next.get()];
        both.into_iter()
            .flatten()
            .find(|key| key.generation() == generation)
    }

    /// Their generations, the older one first.
    pub fn generations(&self) -> impl Iterator<Item = Generation> {
        std::iter::once(&self.first)
            .chain(self.next.get())
            .map(|key| key.generation())
    }
}

impl fmt::Debug for TableKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.generations()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{BoxedOpeningKey, BoxedSealingKey};

    /// Does not compile if the type has one of the traits: `ask` is then ambiguous.
    macro_rules! assert_has_none {
        ($type:ty: $($forbidden:path),+) => {
            const _: fn() = || {
                trait Ask<Which> {
                    fn ask() {}
                }
                impl<T: ?Sized> Ask<()> for T {}
                $({
                    struct Forbidden;
                    impl<T: ?Sized + $forbidden> Ask<Forbidden> for T {}
                })+
                let _ = <$type as Ask<_>>::ask;
            };
        };
    }

    assert_has_none!(SecretBytes32: Clone, Copy, fmt::Display, PartialEq, AsRef<[u8]>, serde::Serialize);
    assert_has_none!(SecretString: Clone, Copy, fmt::Display, PartialEq, AsRef<str>, serde::Serialize);
    assert_has_none!(TableKey: Clone, Copy, fmt::Display, PartialEq, AsRef<[u8]>, serde::Serialize);
    assert_has_none!(BoxedSealingKey: Clone, Copy, fmt::Debug, PartialEq, AsRef<[u8]>, serde::Serialize);
    assert_has_none!(BoxedOpeningKey: Clone, Copy, fmt::Debug, PartialEq, AsRef<[u8]>, serde::Serialize);

    #[test]
    fn taking_wipes_the_source() {
        let mut source = [7; 32];
        let secret = SecretBytes32::take(&mut source);
        assert_eq!(source, [0; 32]);
        assert_eq!(secret.expose(), &[7; 32]);
    }

    #[test]
    fn only_32_bytes_are_copied() {
        assert!(SecretBytes32::copy_from(&[1; 31]).is_none());
        assert!(SecretBytes32::copy_from(&[1; 33]).is_none());
        assert_eq!(
            SecretBytes32::copy_from(&[1; 32]).unwrap().expose(),
            &[1; 32]
        );
    }

    #[test]
    fn equality_is_by_content() {
        let key = |byte| SecretBytes32::take(&mut [byte; 32]);
        assert!(key(1).ct_eq(&key(1)));
        assert!(!key(1).ct_eq(&key(2)));
    }

    #[test]
    fn a_failed_fill_gives_no_secret() {
        let result = SecretBytes32::fill_with(|bytes| {
            bytes[0] = 1;
            Err("no randomness")
        });
        assert_eq!(result.map(|_| ()), Err("no randomness"));
    }

    #[test]
    fn debug_prints_no_content() {
        let secret = SecretBytes32::take(&mut [0xA5; 32]);
        let passphrase = SecretString::new("correct horse".into());
        let printed = format!("{secret:?} {passphrase:?}");
        let key = TableKey::new(secret, Generation::FIRST);
        let printed = format!("{printed} {key:?} {key:#?}");
        for hint in ["165", "a5", "A5", "correct", "horse"] {
            assert!(!printed.contains(hint), "{hint} in {printed}");
        }
        assert_eq!(passphrase.expose(), "correct horse");
    }
}
