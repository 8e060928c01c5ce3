//! The proof of a rekey: what was walked and found, what that covers, and what it cannot see.
//!
//! It is a JSON text, signed with the key of the database's audit trail (Ed25519), so that who holds the public key can check it without the
//! database. It says what the database found, and is as honest as the program that ran: it proves to people who trust that program that
//! this table's old key opens nothing that is reachable.

use std::collections::BTreeMap;

use sealdb_crypto::{PublicKey, SIGNATURE_LEN, TreeId, hex, unhex};
use serde::{Deserialize, Serialize};

use super::Walked;
use crate::audit::Trail;
use crate::catalog::keys::KeyRecords;
use crate::checkpoint::Purge;
use crate::options::EngineKind;
use crate::shared::Shared;
use crate::table::Table;

/// Before the text, in what is signed: a signature of anything else is none of a proof.
const DOMAIN: &[u8] = b"sealdb rekey proof v1\0";

/// What a rekey has proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RekeyProof {
    /// The database's id.
    pub database: String,
    /// The table's name.
    pub table: String,
    /// The table's id.
    pub table_id: String,
    /// The generation of the key that is gone.
    pub old_generation: u32,
    /// The KMS key that had wrapped it.
    pub old_kms_key: String,
    /// The generation of the key in use.
    pub generation: u32,
    /// The KMS key that wraps it.
    pub kms_key: String,
    /// When the rekey was begun, in milliseconds since 1970.
    pub begun_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// What was walked, from the root of each tree to every block: each was read, compared with its pointer and opened.
    pub walked: Vec<WalkedTree>,
    /// Blocks of the old key among them: none.
    pub old_blocks: u64,
    /// Both roots were rewritten; this is the newer one's counter.
    pub root_counter: u64,
    /// The log up to this record was released and overwritten.
    pub log_released_to: u64,
    /// What all of it covers.
    pub covers: Vec<String>,
    /// What it cannot see.
    pub cannot_see: Vec<String>,
}

/// The blocks of one tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WalkedTree {
    /// What it holds.
    pub tree: String,
    /// Blocks by the generation of their key. 0: a suite without generations.
    pub blocks: BTreeMap<u32, u64>,
    /// Their bytes.
    pub bytes: u64,
    /// Pages that were in memory only, and are sealed under the key in use when they are written.
    pub unwritten: u64,
}

const COVERS: [&str; 3] = [
    "every block that is reachable from the table's roots: items, indexes, streams, times of expiry, values out of line",
    "both root slots: rewritten twice since the walk",
    "readers that could follow older pointers: ended",
];

/// Of an engine that writes in place.
const OVERWRITTEN: [&str; 3] = [
    "log records and carried log parts from before the new key: released and overwritten",
    "free places of the page file and released log segments: overwritten with zeros",
    "the old key record: out of the catalog with the log record that holds this proof, then overwritten",
];

/// Of one that does not.
#[cfg(feature = "sled")]
const NOT_OVERWRITTEN: &str = "what the engine, sled, keeps of blocks, log records and the key record that it let go: it overwrites nothing";

const CANNOT_SEE: [&str; 4] = [
    "copies of the data directory, snapshots and backups made earlier: they open with the old key while it can be unwrapped",
    "remnants below the file system: wear levelling, journals, copy-on-write file systems, bad sectors",
    "copies of the wrapped or plaintext key outside the database: core dumps, swap, the KMS itself",
    "whether the program that made this report was the one that its makers published",
];

/// What a proof covers and what it cannot see.
fn reach(engine: EngineKind) -> (Vec<String>, Vec<String>) {
    let (overwritten, kept) = match engine {
        EngineKind::File => (&OVERWRITTEN[..], None),
        #[cfg(feature = "sled")]
        EngineKind::Sled => (&[][..], Some(NOT_OVERWRITTEN)),
    };
    let covers = COVERS.iter().chain(overwritten);
    let cannot_see = CANNOT_SEE.iter().copied().chain(kept);
    (
        covers.map(|text| (*text).to_owned()).collect(),
        cannot_see.map(str::to_owned).collect(),
    )
}

impl Shared {
    pub(super) fn prove(
        &self,
        table: &Table,
        keys: &KeyRecords,
        walked: &BTreeMap<TreeId, Walked>,
        purge: Purge,
    ) -> RekeyProof {
        let newest = keys.active.generation;
        let (old_generation, old_kms_key, begun_ms) = match &keys.rekey {
            Some(rekey) => (
                rekey.retiring.generation.get(),
                rekey.retiring.key_id.to_string(),
                rekey.since_ms,
            ),
            None => (newest.get(), String::new(), 0),
        };
        let tree = |walked: &Walked| WalkedTree {
            tree: walked.name.clone(),
            blocks: walked
                .census
                .generations
                .iter()
                .map(|(generation, blocks)| (*generation, blocks.count))
                .collect(),
            bytes: walked.census.bytes(),
            unwritten: walked.census.unwritten,
        };
        let (covers, cannot_see) = reach(self.options.engine);
        RekeyProof {
            database: self.database.to_string(),
            table: table.name.to_string(),
            table_id: table.id.to_string(),
            old_generation,
            old_kms_key,
            generation: newest.get(),
            kms_key: keys.active.key_id.to_string(),
            begun_ms,
            ended_ms: self.clock.wall_ms(),
            walked: walked.values().map(tree).collect(),
            old_blocks: walked.values().map(|w| w.census.older_than(newest)).sum(),
            root_counter: self.root_counter(),
            log_released_to: purge.sequence,
            covers,
            cannot_see,
        }
    }
}

/// A proof with its signature: what is exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SignedProof {
    /// The proof, as the text that is signed.
    pub proof: String,
    /// The public key, in hexadecimal digits. Empty, as the signature is, where the database has no audit trail.
    pub public_key: String,
    /// Ed25519 over `sealdb rekey proof v1`, a zero byte and the text; in hexadecimal digits.
    pub signature: String,
}

/// Why a proof is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It is no proof.
    #[error("it is no proof of a rekey: {0}")]
    Malformed(String),
    /// It is not signed.
    #[error("it is not signed: the database that made it has no audit trail")]
    Unsigned,
    /// The signature is not of this text.
    #[error("its signature does not fit: it was changed, or signed with another key")]
    Signature,
    /// The signature is of another database's key than the one that is expected.
    #[error("it is signed with the key {found}, not with the one expected")]
    OtherKey {
        /// The key that it names.
        found: String,
    },
    /// It is whole, and says that blocks of the old key were left.
    #[error("it tells of {0} blocks of the old key")]
    OldBlocks(u64),
}

impl SignedProof {
    pub(super) fn sign(proof: &RekeyProof, trail: &Trail) -> Self {
        let proof = serde_json::to_string_pretty(proof)
            .expect("a proof is texts and numbers under texts and numbers");
        let signed = trail.sign(&message(&proof));
        let (public_key, signature) = match signed {
            Some((key, signature)) => (hex(key.as_bytes()), hex(&signature)),
            None => Default::default(),
        };
        SignedProof {
            proof,
            public_key,
            signature,
        }
    }

    /// The text that is exported.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("a signed proof is three texts")
    }

    /// Reads what was exported.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn from_json(text: &str) -> Result<Self, ProofError> {
        serde_json::from_str(text).map_err(|error| ProofError::Malformed(error.to_string()))
    }

    /// Checks the signature, and what is signed. `expected`: the database's public key, if it is known from elsewhere; without it, the
    /// key that the proof names itself is believed.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub fn verify(&self, expected: Option<&str>) -> Result<RekeyProof, ProofError> {
        if self.signature.is_empty() {
            return Err(ProofError::Unsigned);
        }
        if expected.is_some_and(|expected| !expected.eq_ignore_ascii_case(&self.public_key)) {
            let found = self.public_key.clone();
            return Err(ProofError::OtherKey { found });
        }
        let key = unhex(&self.public_key).ok_or(ProofError::Signature)?;
        let key = PublicKey::from_bytes(key);
        let signature: [u8; SIGNATURE_LEN] = unhex(&self.signature).ok_or(ProofError::Signature)?;
        if !key.verifies(&message(&self.proof), &signature) {
            return Err(ProofError::Signature);
        }
        let proof: RekeyProof = serde_json::from_str(&self.proof)
            .map_err(|error| ProofError::Malformed(error.to_string()))?;
        if proof.walked.is_empty() {
            return Err(ProofError::Malformed("it tells of no tree".into()));
        }
        match proof.old_blocks {
            0 => Ok(proof),
            left => Err(ProofError::OldBlocks(left)),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a signed proof is three texts")
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

fn message(proof: &str) -> Vec<u8> {
    [DOMAIN, proof.as_bytes()].concat()
}
