//! Proofs about a trail for who does not hold all of it: that a later checkpoint goes on from an earlier one, and that one event is in the trail
//! that a checkpoint was signed over.
//!
//! They are those of RFC 6962 (2.1.1, 2.1.2), some 32 bytes for each doubling of the trail, in a JSON object:
//!
//! | field | of | |
//! |---|---|---|
//! | `proof` | both | `consistency` or `inclusion` |
//! | `since` | consistency | how many events the earlier checkpoint is over |
//! | `event` | inclusion | the event's line, byte by byte as it is exported |
//! | `checkpoint` | both | the text of the later one, or the one that the event is under |
//! | `hashes` | both | the proof, in hexadecimal digits |
//!
//! Who made a proof need not be trusted: it is verified against the trail's public key and the checkpoints that were kept, offline. What it
//! shows is what a checkpoint shows, no more: an event that nobody recorded is in no trail.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::chain::AuditRecord;
use super::checkpoint::{Checkpoint, SignedCheckpoint, Verifier};
use super::error::AuditError;
use super::merkle::{Hash, Tree, is_consistent, is_included, leaf};
use super::reader::TrailReader;
use crate::wire::{hex, unhex};

/// What is to be proven.
#[derive(Debug, Clone)]
pub enum TrailClaim {
    /// That the trail goes on from the events that this checkpoint was signed over.
    Since(SignedCheckpoint),
    /// That the event of this number is in the trail.
    Event(u64),
}

/// A proof, as it is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "camelCase", deny_unknown_fields)]
pub enum TrailProof {
    /// The trail of an earlier checkpoint is the beginning of that of a later one.
    Consistency {
        /// Events of the earlier one.
        since: u64,
        /// The later one.
        checkpoint: String,
        /// The proof.
        hashes: Vec<String>,
    },
    /// An event is in the trail of a checkpoint.
    Inclusion {
        /// Its line.
        event: String,
        /// The checkpoint.
        checkpoint: String,
        /// The proof.
        hashes: Vec<String>,
    },
}

/// What a proof has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    /// Nothing that the earlier checkpoint was signed over is missing, changed or moved in what the later one was.
    Extends {
        /// Events of the earlier one.
        since: u64,
        /// The later one.
        checkpoint: Checkpoint,
    },
    /// The event is in the trail, at its number.
    Holds {
        /// The event.
        record: Box<AuditRecord>,
        /// Under this checkpoint.
        checkpoint: Checkpoint,
    },
}

/// Why there is no proof, or it shows nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrailProofError {
    /// The trail cannot be read.
    #[error(transparent)]
    Trail(#[from] AuditError),
    /// It is no proof.
    #[error("it is no proof about an audit trail: {0}")]
    Malformed(&'static str),
    /// A checkpoint is of another trail, or not signed with its key.
    #[error("a checkpoint of {0} is not signed with this trail's key")]
    NotOfTrail(String),
    /// The trail is shorter than what was signed.
    #[error(
        "the trail was cut off: it ends at event {at}, but the checkpoint of {time} was signed over {of}"
    )]
    CutOff {
        /// The last event that is there.
        at: u64,
        /// Events of the checkpoint.
        of: u64,
        /// When it was signed.
        time: String,
    },
    /// The trail is another one than what was signed.
    #[error(
        "the trail is not the one that was signed: the checkpoint of {time} is over {size} other events"
    )]
    Forked {
        /// Events of the checkpoint.
        size: u64,
        /// When it was signed.
        time: String,
    },
    /// The proof needs events of files that were moved away.
    #[error(
        "the first {0} events of the trail are in files that were moved away; put them back beside it"
    )]
    Gone(u64),
    /// There is no such event.
    #[error("there is no event {event} among the {size} of the checkpoint")]
    NoEvent {
        /// Its number.
        event: u64,
        /// Events of the checkpoint.
        size: u64,
    },
    /// The earlier checkpoint was not handed in.
    #[error("the proof begins at {0} events: hand in the checkpoint over so many that was kept")]
    NotHandedIn(u64),
    /// A checkpoint that was handed in has nothing to do with the proof.
    #[error("the proof says nothing about a checkpoint over {0} events")]
    Unrelated(u64),
    /// The hashes show something else, or nothing.
    #[error("the proof does not hold: it was changed, or is about another trail")]
    Refused,
}

impl TrailReader {
    /// Makes a proof, under the checkpoint that is given, or one of this moment. Reads the trail to its end.
    ///
    /// # Errors
    /// [`TrailProofError`], if the claim does not hold or its proof is beyond what is left of the trail.
    pub fn prove(
        mut self,
        claim: &TrailClaim,
        under: Option<SignedCheckpoint>,
        time: String,
    ) -> Result<TrailProof, TrailProofError> {
        let before = self.events();
        let mut tree = Tree::after(self.tree().clone());
        let mut event = None;
        for record in self.by_ref() {
            let record = record?;
            tree.push(leaf(record.line.as_bytes()));
            if matches!(claim, TrailClaim::Event(number) if *number == record.sequence) {
                event = Some(record.line);
            }
        }
        let under = under.unwrap_or_else(|| self.checkpoint(time));
        let verifier = self.verifier();
        check(&tree, &under, &verifier)?;
        let (size, checkpoint) = (under.checkpoint.size, under.to_string());
        let gone = || TrailProofError::Gone(before);
        match claim {
            TrailClaim::Since(earlier) => {
                check(&tree, earlier, &verifier)?;
                let since = earlier.checkpoint.size;
                if since > size {
                    return Err(TrailProofError::Unrelated(since));
                }
                let hashes = tree.consistency_proof(since, size).ok_or_else(gone)?;
                Ok(TrailProof::Consistency {
                    since,
                    checkpoint,
                    hashes: texts(&hashes),
                })
            }
            TrailClaim::Event(number) => {
                let event = match event {
                    Some(event) if *number <= size => event,
                    _ if (1..=before).contains(number) => return Err(gone()),
                    _ => {
                        let event = *number;
                        return Err(TrailProofError::NoEvent { event, size });
                    }
                };
                let hashes = tree.inclusion_proof(*number - 1, size).ok_or_else(gone)?;
                Ok(TrailProof::Inclusion {
                    event,
                    checkpoint,
                    hashes: texts(&hashes),
                })
            }
        }
    }
}

/// Whether a checkpoint was signed over what is in the trail.
fn check(
    tree: &Tree,
    signed: &SignedCheckpoint,
    verifier: &Verifier,
) -> Result<(), TrailProofError> {
    signed_by(signed, verifier)?;
    let Checkpoint {
        size, root, time, ..
    } = &signed.checkpoint;
    let (size, time) = (*size, time.clone());
    if size > tree.size() {
        let (at, of) = (tree.size(), size);
        return Err(TrailProofError::CutOff { at, of, time });
    }
    match tree.root(size) {
        Some(found) if found == *root => Ok(()),
        Some(_) => Err(TrailProofError::Forked { size, time }),
        // One over fewer events than are left out at the front: nobody knows.
        None => Err(TrailProofError::Gone(tree.known_from())),
    }
}

fn signed_by(signed: &SignedCheckpoint, verifier: &Verifier) -> Result<(), TrailProofError> {
    match signed.is_signed_by(verifier) {
        true => Ok(()),
        false => Err(TrailProofError::NotOfTrail(
            signed.checkpoint.origin.clone(),
        )),
    }
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| hex(hash)).collect()
}

impl TrailProof {
    /// Reads what was handed over.
    ///
    /// # Errors
    /// [`TrailProofError::Malformed`].
    pub fn from_json(text: &str) -> Result<Self, TrailProofError> {
        serde_json::from_str(text).map_err(|_| TrailProofError::Malformed("it is other JSON"))
    }

    /// Verifies it against the trail's public key and the checkpoints that were kept: the earlier one, where there is one, and any over just as many
    /// events as the proof's own.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(
        &self,
        verifier: &Verifier,
        kept: &[SignedCheckpoint],
    ) -> Result<Proven, TrailProofError> {
        let malformed = TrailProofError::Malformed;
        let (Self::Consistency {
            checkpoint, hashes, ..
        }
        | Self::Inclusion {
            checkpoint, hashes, ..
        }) = self;
        let signed: SignedCheckpoint = checkpoint
            .parse()
            .map_err(|_| malformed("its checkpoint is none"))?;
        signed_by(&signed, verifier)?;
        let hashes: Option<Vec<Hash>> = hashes.iter().map(|text| unhex(text)).collect();
        let hashes = hashes.ok_or(malformed("its hashes are none"))?;
        let checkpoint = signed.checkpoint;
        let later = (checkpoint.size, &checkpoint.root);
        let since = match self {
            Self::Consistency { since, .. } => Some(*since),
            Self::Inclusion { .. } => None,
        };
        let mut earlier = None;
        for signed in kept {
            signed_by(signed, verifier)?;
            let Checkpoint {
                size, root, time, ..
            } = &signed.checkpoint;
            let (same, first) = (*size == later.0, Some(*size) == since);
            if !same && !first {
                return Err(TrailProofError::Unrelated(*size));
            }
            if same && root != later.1 {
                let (size, time) = (*size, time.clone());
                return Err(TrailProofError::Forked { size, time });
            }
            if first {
                earlier = Some(root);
            }
        }
        match self {
            Self::Consistency { since, .. } => {
                let earlier = earlier.ok_or(TrailProofError::NotHandedIn(*since))?;
                match is_consistent((*since, earlier), later, &hashes) {
                    true => Ok(Proven::Extends {
                        since: *since,
                        checkpoint,
                    }),
                    false => Err(TrailProofError::Refused),
                }
            }
            Self::Inclusion { event, .. } => {
                let record = AuditRecord::parse(event).ok_or(malformed("its event is none"))?;
                let hash = leaf(event.as_bytes());
                match is_included((record.sequence - 1, &hash), later, &hashes) {
                    true => Ok(Proven::Holds {
                        record: Box::new(record),
                        checkpoint,
                    }),
                    false => Err(TrailProofError::Refused),
                }
            }
        }
    }
}
