//! A root key in shares: any `threshold` of them give it, fewer say nothing about it (Shamir, How to share a secret, 1979).
//!
//! One share is one line of text, to be kept by one operator:
//!
//! `sealdb-share-1:KEYRING:SPLIT:T:N:BYTES:SUM`
//!
//! | part | |
//! |---|---|
//! | `sealdb-share-1` | format 1 |
//! | KEYRING | id of the keyring, 32 hexadecimal digits |
//! | SPLIT | random for each split, 8 digits: shares of two splits do not go together |
//! | T | threshold, decimal, 2 to 255 |
//! | N | number of the share, decimal, 1 to 255: the x coordinate in GF(2^8) |
//! | BYTES | the 32 bytes of the share, 64 digits |
//! | SUM | the first 4 bytes of HMAC-SHA256 under a key of zeros over all before the last colon, 8 digits |
//!
//! The sum finds mistyped lines and proves nothing: whether shares are genuine is decided when the keyring opens. So a share that was
//! forged by its holder makes the start fail, and nothing else.
//!
//! The arithmetic is constant in time (vsss-rs). The shares and the root key are wiped when dropped; the polynomials of a split, which
//! that crate makes, are not: split on a machine that is trusted with the root key, and restart it if that matters.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;

use rand_core::{TryCryptoRng, TryRng};
use thiserror::Error;
use uuid::Uuid;
use vsss_rs::Gf256;
use zeroize::Zeroizing;

use super::KeyringError;
use super::files;
use super::source::{hex_digit, hex_value};
use crate::provider::{Provider, ProviderError};
use crate::secret::{SecretBytes32, SecretString};

const FORMAT: &str = "sealdb-share-1";

/// One share of a keyring's root key.
pub struct Share {
    keyring: Uuid,
    split: [u8; 4],
    threshold: u8,
    number: u8,
    bytes: SecretBytes32,
}

/// Why a line is no share, or does not go together with others.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShareError {
    /// Not a line of this form.
    #[error("this is no share of a root key: a share is one line that begins with {FORMAT}")]
    Foreign,
    /// Its sum is another.
    #[error("this share was mistyped or changed: its checksum does not fit")]
    Mistyped,
    /// Of another keyring.
    #[error("share {number} belongs to the keyring {found}, not to {expected}")]
    OtherKeyring {
        /// Its number.
        number: u8,
        /// Whose it is.
        found: Uuid,
        /// Whose it should be.
        expected: Uuid,
    },
    /// Of an earlier or later split of the same keyring.
    #[error(
        "share {number} is of another split of this keyring than share {other}; they do not go together"
    )]
    OtherSplit {
        /// Its number.
        number: u8,
        /// The number of one of the others.
        other: u8,
    },
    /// The same share twice.
    #[error("share {number} is there already; another one is needed")]
    Twice {
        /// Its number.
        number: u8,
    },
    /// Fewer than the threshold.
    #[error("{given} of the {threshold} shares that are needed were given")]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many there must be.
        threshold: u8,
    },
    /// None at all.
    #[error("no share was given")]
    None,
}

impl Share {
    /// Reads a share's line.
    ///
    /// # Errors
    /// [`ShareError::Foreign`], [`ShareError::Mistyped`].
    pub fn parse(line: &str) -> Result<Self, ShareError> {
        let line = line.trim();
        if !line.starts_with(FORMAT) {
            return Err(ShareError::Foreign);
        }
        let (text, sum) = line.rsplit_once(':').ok_or(ShareError::Mistyped)?;
        // Case is not the typist's fault.
        let (text, sum) = (
            Zeroizing::new(text.to_ascii_lowercase()),
            sum.to_ascii_lowercase(),
        );
        if hex(&checksum(&text)).as_str() != sum {
            return Err(ShareError::Mistyped);
        }
        Self::fields(&text).ok_or(ShareError::Mistyped)
    }

    fn fields(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        if parts.next()? != FORMAT {
            return None;
        }
        let keyring = Uuid::from_bytes(unhex(parts.next()?)?);
        let split = unhex(parts.next()?)?;
        let threshold = parts
            .next()?
            .parse::<u8>()
            .ok()
            .filter(|at_least| *at_least >= 2)?;
        let number = parts
            .next()?
            .parse::<u8>()
            .ok()
            .filter(|number| *number >= 1)?;
        let mut bytes = unhex(parts.next()?)?;
        parts.next().is_none().then(|| Self {
            keyring,
            split,
            threshold,
            number,
            bytes: SecretBytes32::take(&mut bytes),
        })
    }

    /// Reads a share from a file that only its owner may read.
    ///
    /// # Errors
    /// [`KeyringError::Share`] with what is wrong with its line; those of reading the file.
    pub fn read(path: &Path) -> Result<Self, KeyringError> {
        let file = files::read_owner_only(path).map_err(|error| match error {
            KeyringError::NotFound { path } => KeyringError::Source {
                source_name: "a share".to_owned(),
                reason: format!("there is no file {}", path.display()),
            },
            other => other,
        })?;
        let line = std::str::from_utf8(&file).map_err(|_| ShareError::Foreign);
        line.and_then(Self::parse)
            .map_err(|error| KeyringError::Share {
                from: format!("{}: ", path.display()),
                error,
            })
    }

    /// Writes the share into a new file that only its owner may read, synced.
    ///
    /// # Errors
    /// [`KeyringError::Exists`] if anything stands there; those of writing.
    pub fn write(&self, path: &Path) -> Result<(), KeyringError> {
        let line = self.line();
        let mut text = Zeroizing::new(Vec::with_capacity(line.expose().len() + 1));
        text.extend_from_slice(line.expose().as_bytes());
        text.push(b'\n');
        files::create_dir_owner_only(path)?;
        files::create_new(path, &text)
    }

    /// The share's line.
    pub fn line(&self) -> SecretString {
        let keyring = hex(self.keyring.as_bytes());
        let (split, bytes) = (hex(&self.split), hex(self.bytes.expose()));
        let (keyring, split, bytes) = (keyring.as_str(), split.as_str(), bytes.as_str());
        // Reserved beforehand: a growing buffer would leave copies behind.
        let mut line = Zeroizing::new(String::with_capacity(256));
        let (threshold, number) = (self.threshold.to_string(), self.number.to_string());
        for part in [FORMAT, keyring, split, &threshold, &number, bytes] {
            if !line.is_empty() {
                line.push(':');
            }
            line.push_str(part);
        }
        let sum = hex(&checksum(&line));
        line.push(':');
        line.push_str(&sum);
        SecretString::new(std::mem::take(&mut *line))
    }

    /// Its number.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Whether it belongs to a keyring and goes together with others of it.
    fn joins(&self, keyring: Uuid, others: &[Share]) -> Result<(), ShareError> {
        let number = self.number;
        if self.keyring != keyring {
            return Err(ShareError::OtherKeyring {
                number,
                found: self.keyring,
                expected: keyring,
            });
        }
        for other in others {
            if (self.split, self.threshold) != (other.split, other.threshold) {
                return Err(ShareError::OtherSplit {
                    number,
                    other: other.number,
                });
            }
            if self.number == other.number {
                return Err(ShareError::Twice { number });
            }
        }
        Ok(())
    }

    /// The share as the arithmetic has it: the x coordinate, then the bytes.
    fn point(&self) -> Vec<u8> {
        let mut point = Vec::with_capacity(33);
        point.push(self.number);
        point.extend_from_slice(self.bytes.expose());
        point
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({} of the keyring {})", self.number, self.keyring)
    }
}

/// Makes a new root key in shares. The root key itself is in nobody's hands: who needs it combines shares.
///
/// # Errors
/// [`KeyringError::Refused`] unless 2 <= threshold <= shares; the system's generator.
pub(super) fn split(keyring: Uuid, shares: u8, threshold: u8) -> Result<Vec<Share>, KeyringError> {
    if threshold < 2 || threshold > shares {
        return Err(KeyringError::Refused(format!(
            "of {shares} shares, 2 to {shares} can be the number that is needed, not {threshold}: one alone would be the root key"
        )));
    }
    let provider = Provider::default_provider();
    let root = provider.random_secret()?;
    let mut split = [0; 4];
    provider.random(&mut split)?;
    let mut chance = Chance { failed: false };
    let points = Gf256::split_bytes(threshold.into(), shares.into(), root.expose(), &mut chance);
    let points = Points(points.unwrap_or_default());
    if chance.failed {
        return Err(KeyringError::Provider(ProviderError));
    }
    let made: Option<Vec<Share>> = points
        .0
        .iter()
        .map(|point| {
            let (number, bytes) = point.split_first()?;
            Some(Share {
                keyring,
                split,
                threshold,
                number: *number,
                bytes: SecretBytes32::copy_from(bytes)?,
            })
        })
        .collect();
    let made = made.filter(|made| made.len() == usize::from(shares));
    let made =
        made.expect("the numbers were checked, so there are as many shares as were asked for");
    // Tried before anybody relies on it.
    for some in [
        &made[..usize::from(threshold)],
        &made[usize::from(shares - threshold)..],
    ] {
        let again = combine(keyring, some).map_err(|error| KeyringError::Share {
            from: String::new(),
            error,
        })?;
        assert!(
            again.ct_eq(&root),
            "any threshold of shares gives the root key"
        );
    }
    Ok(made)
}

/// The root key that shares of a keyring give. Whether it is the right one, the keyring tells.
pub(super) fn combine(keyring: Uuid, shares: &[Share]) -> Result<SecretBytes32, ShareError> {
    let threshold = shares.first().ok_or(ShareError::None)?.threshold;
    for (at, share) in shares.iter().enumerate() {
        share.joins(keyring, shares.get(..at).unwrap_or_default())?;
    }
    if shares.len() < usize::from(threshold) {
        return Err(ShareError::TooFew {
            given: shares.len(),
            threshold,
        });
    }
    let points = Points(shares.iter().map(Share::point).collect());
    let root = Zeroizing::new(Gf256::combine_bytes(&points.0).unwrap_or_default());
    // Numbers differ and are not zero, and all are of one length: that is all that it can refuse.
    SecretBytes32::copy_from(&root).ok_or(ShareError::Mistyped)
}

/// Asks for shares of a keyring, one after the other, until there are enough. `ask` shows its text, and gives a line. What is wrong with one
/// is told with the next question.
///
/// # Errors
/// Those of `ask`.
pub fn gather_shares<E>(
    keyring: Uuid,
    mut ask: impl FnMut(&str) -> Result<SecretString, E>,
) -> Result<Vec<Share>, E> {
    let mut shares: Vec<Share> = Vec::new();
    let mut complaint = String::new();
    loop {
        let threshold = shares.first().map(|share| share.threshold);
        let of = match threshold {
            Some(threshold) if shares.len() >= usize::from(threshold) => return Ok(shares),
            Some(threshold) => format!(" of {threshold}"),
            None => String::new(),
        };
        let line = ask(&format!("{complaint}Share {}{of}: ", shares.len() + 1))?;
        let share = Share::parse(line.expose());
        match share.and_then(|share| share.joins(keyring, &shares).map(|()| share)) {
            Ok(share) => {
                complaint.clear();
                shares.push(share);
            }
            Err(error) => complaint = format!("{error}\n"),
        }
    }
}

/// Points, wiped when dropped.
struct Points(Vec<Vec<u8>>);

impl Drop for Points {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

/// The provider's randomness as vsss-rs wants it, which knows no failure: one is remembered, and what came of it is thrown away.
struct Chance {
    failed: bool,
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if Provider::default_provider().random(bytes).is_err() {
            self.failed = true;
            bytes.fill(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for Chance {}

fn checksum(text: &str) -> [u8; 4] {
    let zeros = SecretBytes32::take(&mut [0; 32]);
    let sum = Provider::default_provider().hmac_sha256(&zeros, &[text.as_bytes()]);
    let [a, b, c, d, ..] = sum;
    [a, b, c, d]
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        text.push(char::from(hex_digit(byte >> 4)));
        text.push(char::from(hex_digit(byte & 15)));
    }
    text
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = hex_value(*high)? << 4 | hex_value(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYRING: Uuid = Uuid::from_bytes([7; 16]);

    fn copy(share: &Share) -> Share {
        Share::parse(share.line().expose()).unwrap()
    }

    fn pick(shares: &[Share], numbers: &[usize]) -> Vec<Share> {
        numbers.iter().map(|at| copy(&shares[*at])).collect()
    }

    #[test]
    fn any_three_of_five_give_the_root_key_and_two_do_not() {
        let shares = split(KEYRING, 5, 3).unwrap();
        let root = combine(KEYRING, &shares).unwrap();
        for a in 0..5 {
            for b in 0..5 {
                for c in 0..5 {
                    if a == b || b == c || a == c {
                        continue;
                    }
                    let given = pick(&shares, &[a, b, c]);
                    assert!(combine(KEYRING, &given).unwrap().ct_eq(&root));
                }
            }
        }
        let two = combine(KEYRING, &pick(&shares, &[0, 4]));
        assert_eq!(
            two.err(),
            Some(ShareError::TooFew {
                given: 2,
                threshold: 3
            })
        );
        // Not even if they say that two are enough.
        let mut forged = pick(&shares, &[0, 4]);
        forged.iter_mut().for_each(|share| share.threshold = 2);
        assert!(!combine(KEYRING, &forged).unwrap().ct_eq(&root));
        let other = split(KEYRING, 5, 3).unwrap();
        assert!(
            !combine(KEYRING, &other).unwrap().ct_eq(&root),
            "a new root key each time"
        );
    }

    #[test]
    fn numbers_that_share_nothing_are_refused() {
        for (shares, threshold) in [(5, 0), (5, 1), (1, 1), (0, 0), (4, 5), (1, 2)] {
            assert!(
                split(KEYRING, shares, threshold).is_err(),
                "{threshold} of {shares}"
            );
        }
        for (shares, threshold) in [(2, 2), (255, 2), (255, 255)] {
            assert_eq!(
                split(KEYRING, shares, threshold).unwrap().len(),
                usize::from(shares)
            );
        }
    }

    #[test]
    fn shares_that_do_not_go_together_are_named() {
        let shares = split(KEYRING, 3, 2).unwrap();
        let said = |given: Vec<Share>| combine(KEYRING, &given).unwrap_err().to_string();
        assert_eq!(said(Vec::new()), "no share was given");
        let twice = said(pick(&shares, &[1, 1]));
        assert_eq!(twice, "share 2 is there already; another one is needed");
        let other = split(Uuid::from_bytes([8; 16]), 3, 2).unwrap();
        let foreign = said(vec![copy(&shares[0]), copy(&other[1])]);
        assert!(
            foreign.contains("share 2 belongs to the keyring 08080808"),
            "{foreign}"
        );
        let again = split(KEYRING, 3, 2).unwrap();
        let mixed = said(vec![copy(&shares[0]), copy(&again[2])]);
        assert!(mixed.contains("share 3 is of another split"), "{mixed}");
    }

    #[test]
    fn a_mistyped_line_is_named_as_such_wherever_it_differs() {
        let share = &split(KEYRING, 2, 2).unwrap()[1];
        let line = share.line();
        let line = line.expose();
        for at in FORMAT.len()..line.len() {
            for digit in ["0", "f", ":", " ", "9", ""] {
                let changed = format!("{}{digit}{}", &line[..at], &line[at + 1..]);
                if changed != line {
                    assert_eq!(
                        Share::parse(&changed).err(),
                        Some(ShareError::Mistyped),
                        "{changed}"
                    );
                }
            }
        }
        for foreign in ["", "hunter2", &line[1..], "sealdb-share-"] {
            assert_eq!(Share::parse(foreign).err(), Some(ShareError::Foreign));
        }
        let upper = format!("  {FORMAT}{}\n", &line[FORMAT.len()..].to_ascii_uppercase());
        assert_eq!(Share::parse(&upper).unwrap().line().expose(), line);
        assert!(!format!("{share:?}").contains(hex(share.bytes.expose()).as_str()));
    }

    #[test]
    fn shares_are_asked_for_until_there_are_enough() {
        let shares = split(KEYRING, 3, 2).unwrap();
        let foreign = split(Uuid::from_bytes([8; 16]), 3, 2).unwrap();
        let lines = [
            "hunter2".to_owned(),
            foreign[0].line().expose().to_owned(),
            shares[2].line().expose().to_owned(),
            shares[2].line().expose().to_owned(),
            shares[0].line().expose().to_owned(),
        ];
        let mut lines = lines.into_iter();
        let mut asked = Vec::new();
        let gathered = gather_shares(KEYRING, |text| {
            asked.push(text.to_owned());
            lines.next().map(SecretString::new).ok_or(())
        });
        assert!(combine(KEYRING, &gathered.unwrap()).is_ok());
        assert_eq!(asked.len(), 5);
        assert_eq!(asked[0], "Share 1: ");
        assert!(asked[1].contains("no share") && asked[1].ends_with("Share 1: "));
        assert!(asked[2].contains("belongs to the keyring"));
        assert_eq!(asked[3], "Share 2 of 2: ");
        assert!(asked[4].contains("there already"));
        assert!(gather_shares(KEYRING, |_| Err::<SecretString, _>("ended")).is_err());
    }

    proptest! {
        #[test]
        fn any_line_is_a_share_or_refused(tail in "[0-9a-f:]{0,150}") {
            if let Ok(share) = Share::parse(&format!("{FORMAT}{tail}")) {
                let line = share.line();
                prop_assert_eq!(line.expose(), format!("{FORMAT}{tail}"));
            }
        }
    }
}
