//! Signed checkpoints: what the trail says of itself, for people who hold none of its keys.
//!
//! The text is a checkpoint of a transparency log as C2SP has it (<https://c2sp.org/tlog-checkpoint>), so that tools for such logs read it too:
//!
//! ```text
//! sealdb.trail/1f0c…                            the trail, by its id
//! 1024                                          how many events
//! nPAD…=                                        root of the Merkle tree over their lines, base64
//! time 2026-01-02T03:04:05.678Z
//! previous 0 47DE…=                             size and root of the checkpoint before
//!
//! — sealdb.trail/1f0c… Az3g…                    Ed25519 over all above the empty line, behind four bytes that name the key
//! ```
//!
//! The public key is one line, `name+key hash+base64`, a signed note's verifier key (<https://c2sp.org/signed-note>).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::merkle::Hash;
use crate::ids::SegmentId;
use crate::signing::{PublicKey, SIGNATURE_LEN, SigningKey};

/// Begins a line with a signature.
const SIGNED: &str = "— ";
/// The byte that says Ed25519 in a verifier key.
const ED25519: u8 = 1;
/// Checkpoints are some 500 bytes; what is much longer is none.
const MAX_LEN: usize = 16 << 10;

/// Text that is no checkpoint, or no public key of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct CheckpointError(&'static str);

const NOT_ONE: CheckpointError = CheckpointError("it is not a checkpoint of an audit trail");
const NO_KEY: CheckpointError = CheckpointError("it is not a public key of an audit trail");

/// The name of a trail, in checkpoints and public keys.
pub(super) fn origin(trail: SegmentId) -> String {
    format!("sealdb.trail/{trail}")
}

/// What a checkpoint says, signed or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which trail.
    pub origin: String,
    /// How many events.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// When, RFC 3339.
    pub time: String,
    /// Size and root of the one before; of no events if there is none.
    pub previous: (u64, Hash),
}

impl Checkpoint {
    /// All lines that are signed.
    fn body(&self) -> String {
        let Self {
            origin,
            size,
            root,
            time,
            previous: (before, before_root),
        } = self;
        let (root, before_root) = (STANDARD.encode(root), STANDARD.encode(before_root));
        format!("{origin}\n{size}\n{root}\ntime {time}\nprevious {before} {before_root}\n")
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let time = lines.next()?.strip_prefix("time ")?;
        let (before, before_root) = lines.next()?.strip_prefix("previous ")?.split_once(' ')?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root: hash(root)?,
            time: time.to_owned(),
            previous: (before.parse().ok()?, hash(before_root)?),
        };
        // One spelling only, so that what is compared is what was signed.
        (lines.next().is_none() && checkpoint.body() == body).then_some(checkpoint)
    }

    /// Signs it.
    pub(super) fn sign(self, key: &SigningKey) -> SignedCheckpoint {
        let body = self.body();
        let verifier = Verifier {
            name: self.origin.clone(),
            key: key.public(),
        };
        let mut signature = verifier.hash().to_vec();
        signature.extend_from_slice(&key.sign(body.as_bytes()));
        let signature = STANDARD.encode(signature);
        SignedCheckpoint {
            text: format!("{body}\n{SIGNED}{} {signature}\n", verifier.name),
            checkpoint: self,
        }
    }
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A checkpoint with its signatures. Whether one of them holds is told by [`SignedCheckpoint::is_signed_by`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    text: String,
}

impl SignedCheckpoint {
    /// Whether the trail's key signed it.
    pub fn is_signed_by(&self, verifier: &Verifier) -> bool {
        let Some((body, signatures)) = self.text.split_once("\n\n") else {
            return false;
        };
        let body = format!("{body}\n");
        self.checkpoint.origin == verifier.name
            && signatures.lines().any(|line| {
                let signature = line
                    .strip_prefix(SIGNED)
                    .and_then(|line| line.strip_prefix(verifier.name.as_str()))
                    .and_then(|line| STANDARD.decode(line.strip_prefix(' ')?).ok());
                signature.is_some_and(|bytes| match bytes.split_first_chunk() {
                    Some((hash, signature)) => {
                        *hash == verifier.hash()
                            && signature.len() == SIGNATURE_LEN
                            && verifier.key.verifies(body.as_bytes(), signature)
                    }
                    None => false,
                })
            })
    }
}

impl FromStr for SignedCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > MAX_LEN {
            return Err(NOT_ONE);
        }
        let (body, _) = text.split_once("\n\n").ok_or(NOT_ONE)?;
        let checkpoint = Checkpoint::parse(&format!("{body}\n")).ok_or(NOT_ONE)?;
        Ok(Self {
            checkpoint,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The public key of a trail, with the trail's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: PublicKey,
}

impl Verifier {
    pub(super) fn new(trail: SegmentId, key: PublicKey) -> Self {
        Self {
            name: origin(trail),
            key,
        }
    }

    /// The trail that it is of.
    pub fn origin(&self) -> &str {
        &self.name
    }

    /// The key itself. The database signs its reports with it, too.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The first bytes of SHA-256(name ‖ newline ‖ 1 ‖ key), which name the key in a signature.
    fn hash(&self) -> [u8; 4] {
        let mut bytes = self.name.clone().into_bytes();
        bytes.extend_from_slice(&[b'\n', ED25519]);
        bytes.extend_from_slice(self.key.as_bytes());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let mut hash = [0; 4];
        for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        hash
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        let hash = u32::from_be_bytes(self.hash());
        write!(f, "{}+{hash:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for Verifier {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let text = text.trim();
        // Neither the name nor the hash has a plus in it; base64 may.
        let mut parts = text.splitn(3, '+');
        let (name, _, key) = (parts.next(), parts.next(), parts.next());
        let key = key.and_then(|key| STANDARD.decode(key).ok());
        let key = key.as_deref().and_then(|key| key.split_first());
        let (Some(name), Some((&ED25519, key))) = (name, key) else {
            return Err(NO_KEY);
        };
        let verifier = Self {
            name: name.to_owned(),
            key: PublicKey::from_bytes(key.try_into().map_err(|_| NO_KEY)?),
        };
        // The hash in it guards against a key that was mistyped.
        match verifier.to_string() == text {
            true => Ok(verifier),
            false => Err(NO_KEY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes32;

    fn key() -> SigningKey {
        SigningKey::from_seed(SecretBytes32::take(&mut [5; 32])).unwrap()
    }

    fn trail() -> SegmentId {
        SegmentId::from_bytes([3; 16])
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: origin(trail()),
            size: 1024,
            root: [7; 32],
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            previous: (0, [0; 32]),
        }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_verifies() {
        let signed = checkpoint().sign(&key());
        let text = signed.to_string();
        let read: SignedCheckpoint = text.parse().unwrap();
        assert_eq!(read, signed);
        let verifier = Verifier::new(trail(), key().public());
        assert!(read.is_signed_by(&verifier));
        assert_eq!(verifier.to_string().parse(), Ok(verifier.clone()));
        let other = Verifier::new(SegmentId::from_bytes([4; 16]), key().public());
        assert!(!read.is_signed_by(&other), "of another trail");
        // What a witness adds does no harm.
        let witnessed: SignedCheckpoint =
            format!("{text}— witness.example abcd\n").parse().unwrap();
        assert!(witnessed.is_signed_by(&verifier));
    }

    #[test]
    fn one_changed_byte_is_no_checkpoint_or_not_signed() {
        let text = checkpoint().sign(&key()).to_string();
        let verifier = Verifier::new(trail(), key().public());
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let read = changed.parse::<SignedCheckpoint>();
            // The last newline alone means nothing.
            let holds = read.is_ok_and(|read| read.is_signed_by(&verifier));
            assert!(!holds || at == text.len() - 1, "byte {at}");
        }
        for cut in 0..text.len() - 1 {
            let read = text
                .get(..cut)
                .and_then(|text| text.parse::<SignedCheckpoint>().ok());
            assert!(
                !read.is_some_and(|read| read.is_signed_by(&verifier)),
                "cut to {cut}"
            );
        }
        let line = verifier.to_string();
        for at in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            let read = String::from_utf8(bytes).unwrap().parse::<Verifier>();
            assert!(read != Ok(verifier.clone()), "byte {at}");
        }
    }
}
