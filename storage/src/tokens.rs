//! The tokens by which a transaction that is sent twice happens once.
//!
//! A token is remembered for ten minutes, together with what it was sent with: in memory, in the log beside the transaction itself, and
//! from the next checkpoint on in the catalog. It and the request are kept as hashes of 128 bits under the database's id.
//!
//! Guaranteed: once a transaction with a token is acknowledged, another one with the same token within the ten minutes does
//! nothing, also after a restart or a crash.

use std::collections::HashMap;
use std::hash::Hasher;

use parking_lot::Mutex;
use sealdb_crypto::DatabaseId;
use siphasher::sip128::{Hasher128, SipHasher24};

/// How long a token is remembered, in milliseconds.
const LIFE_MS: u64 = 10 * 60 * 1000;

/// A token in 128 bits.
pub(crate) type TokenId = [u8; 16];

/// A token and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) id: TokenId,
    /// Of the request that it came with.
    pub(crate) request: [u8; 16],
    /// When it came, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

impl Token {
    pub(crate) fn new(database: DatabaseId, token: &str, request: &[u8], at_ms: u64) -> Self {
        let hash = |bytes: &[u8]| {
            let mut hasher = SipHasher24::new_with_key(database.as_bytes());
            hasher.write(bytes);
            hasher.finish128().as_u128().to_be_bytes()
        };
        Token {
            id: hash(token.as_bytes()),
            request: hash(request),
            at_ms,
        }
    }

    /// Whether it is to be forgotten.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.at_ms) >= LIFE_MS
    }
}

/// Where a token is kept beside memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// In the log, in the group of this sequence.
    Log(u64),
    Catalog,
}

/// All tokens that are remembered. Changed in the writer's seat, and by checkpoints.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<TokenId, (Token, Kept)>>);

/// What a checkpoint has to do about tokens.
pub(crate) struct TokenChanges {
    pub(crate) put: Vec<Token>,
    pub(crate) remove: Vec<TokenId>,
}

impl Tokens {
    /// The token that came before under the same id.
    pub(crate) fn get(&self, token: &Token) -> Option<Token> {
        let tokens = self.0.lock();
        let (known, _) = tokens.get(&token.id)?;
        (!known.is_over(token.at_ms)).then_some(*known)
    }

    /// A token came with the group of this sequence.
    pub(crate) fn insert(&self, token: Token, sequence: u64) {
        self.0.lock().insert(token.id, (token, Kept::Log(sequence)));
    }

    /// A token was read from the catalog.
    pub(crate) fn insert_kept(&self, token: Token) {
        self.0.lock().insert(token.id, (token, Kept::Catalog));
    }

    /// Its group was taken back.
    pub(crate) fn remove(&self, id: &TokenId) {
        self.0.lock().remove(id);
    }

    /// What the catalog lacks as of this sequence, and what it need not have any longer.
    pub(crate) fn changes(&self, sequence: u64, now_ms: u64) -> TokenChanges {
        let mut changes = TokenChanges {
            put: Vec::new(),
            remove: Vec::new(),
        };
        for (token, kept) in self.0.lock().values() {
            match kept {
                Kept::Catalog if token.is_over(now_ms) => changes.remove.push(token.id),
                Kept::Log(at) if *at <= sequence && !token.is_over(now_ms) => {
                    changes.put.push(*token);
                }
                _ => {}
            }
        }
        // In an order that does not depend on the map's, so that a seeded history replays exactly.
        changes.put.sort_unstable_by_key(|token| token.id);
        changes.remove.sort_unstable();
        changes
    }

    /// The catalog has those changes; what is over is forgotten.
    pub(crate) fn changed(&self, changes: &TokenChanges, sequence: u64, now_ms: u64) {
        let mut tokens = self.0.lock();
        for token in &changes.put {
            if let Some((known, kept)) = tokens.get_mut(&token.id)
                && known == token
            {
                *kept = Kept::Catalog;
            }
        }
        tokens.retain(|id, (token, kept)| {
            let logged = matches!(kept, Kept::Log(at) if *at > sequence);
            !token.is_over(now_ms) || (logged && !changes.remove.contains(id))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_for_ten_minutes() {
        let database = DatabaseId::from_bytes([1; 16]);
        let token = |at_ms| Token::new(database, "token", b"request", at_ms);
        let tokens = Tokens::default();
        assert_eq!(tokens.get(&token(5)), None);
        tokens.insert(token(5), 9);
        assert_eq!(tokens.get(&token(4 + LIFE_MS)), Some(token(5)));
        assert_eq!(tokens.get(&token(5 + LIFE_MS)), None);

        assert!(
            tokens.changes(8, 5).put.is_empty(),
            "its group is not in the checkpoint"
        );
        let changes = tokens.changes(9, 5);
        assert_eq!(changes.put, [token(5)]);
        tokens.changed(&changes, 9, 5);
        assert!(tokens.changes(9, 6).put.is_empty());
        let changes = tokens.changes(10, 5 + LIFE_MS);
        assert_eq!(changes.remove, [token(5).id]);
        tokens.changed(&changes, 10, 5 + LIFE_MS);
        assert_eq!(tokens.get(&token(6)), None);
    }

    #[test]
    fn another_request_has_another_hash() {
        let database = DatabaseId::from_bytes([1; 16]);
        let token = |text, request| Token::new(database, text, request, 0);
        assert_ne!(token("a", b"x").request, token("a", b"y").request);
        assert_ne!(token("a", b"x").id, token("b", b"x").id);
    }
}
