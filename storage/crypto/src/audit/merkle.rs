//! The Merkle tree over the events, as RFC 6962 (section 2.1) has it.
//!
//! A leaf is `SHA-256(0x00 ‖ line)`, a node `SHA-256(0x01 ‖ left ‖ right)`; the left side of a tree of n leaves is the largest full one that
//! is smaller. The root at a size commits to every line before, and to their order. [`Peaks`] grows with the trail and holds a hash for
//! each bit of the size; proofs are made from all leaves, when somebody asks for one.

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256.
pub type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref()); // SHA-256: 32 bytes
    hash
}

/// The hash of a line.
pub fn leaf(line: &[u8]) -> Hash {
    sha256(&[&[0], line])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The tree as far as its root needs it: the roots of the full trees that it consists of, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peaks {
    size: u64,
    peaks: Vec<Hash>,
}

impl Peaks {
    /// The peaks of a tree of this size; `None` if a size like that has another number of them.
    pub(super) fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == usize::try_from(size.count_ones()).ok()?).then_some(Self { size, peaks })
    }

    /// A tree of this size of which nothing is known.
    pub(super) fn unknown(size: u64) -> Self {
        let peaks = (0..size.count_ones()).map(|_| [0; 32]).collect();
        Self { size, peaks }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn hashes(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut top = leaf;
        // Each full tree of the size that has been reached now becomes the left side of one twice as large.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                top = node(&left, &top);
            }
        }
        self.peaks.push(top);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return sha256(&[]);
        };
        peaks.fold(*last, |right, left| node(left, &right))
    }
}

/// The root of these leaves.
fn root_of(leaves: &[Hash]) -> Hash {
    let mut peaks = Peaks::default();
    for leaf in leaves {
        peaks.push(*leaf);
    }
    peaks.root()
}

/// The size of the left side of a tree of `size` leaves, two at least.
fn left_size(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// That the tree of the first `old` leaves is the beginning of the tree of all `leaves` (RFC 6962, 2.1.2). Empty where that says itself:
/// of no leaf, and of all.
pub fn consistency_proof(leaves: &[Hash], old: usize) -> Vec<Hash> {
    let mut proof = Vec::new();
    if old > 0 && old < leaves.len() {
        prove(leaves, old, true, &mut proof);
    }
    proof
}

/// SUBPROOF of the RFC: `whole` while the old tree's root is one that the verifier holds.
fn prove(leaves: &[Hash], old: usize, whole: bool, proof: &mut Vec<Hash>) {
    if old == leaves.len() {
        if !whole {
            proof.push(root_of(leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(left_size(leaves.len()).min(leaves.len()));
    if old <= left.len() {
        prove(left, old, whole, proof);
        proof.push(root_of(right));
    } else {
        prove(right, old - left.len(), false, proof);
        proof.push(root_of(left));
    }
}

/// Whether a proof shows that the tree of `old` leaves and root is the beginning of the one of `new` (RFC 9162, 2.1.4.2).
pub fn is_consistent(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == sha256(&[]);
    }
    let mut path = proof.iter();
    // A full old tree is a node of the new one, so its root is not told again.
    let first = match old_size.is_power_of_two() {
        true => Some(old_root),
        false => path.next(),
    };
    let Some(first) = first else {
        return false;
    };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node(sibling, &old_hash);
            new_hash = node(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::hex;

    /// MTH of RFC 6962, as it is written there.
    fn naive_root(lines: &[Vec<u8>]) -> Hash {
        match lines {
            [] => sha256(&[]),
            [line] => sha256(&[&[0], line]),
            _ => {
                let mut k = 1;
                while k * 2 < lines.len() {
                    k *= 2;
                }
                sha256(&[&[1], &naive_root(&lines[..k]), &naive_root(&lines[k..])])
            }
        }
    }

    fn leaves(lines: &[Vec<u8>]) -> Vec<Hash> {
        lines.iter().map(|line| leaf(line)).collect()
    }

    /// The inputs and roots with which Certificate Transparency's own implementations are tested.
    #[test]
    fn the_roots_of_certificate_transparency() {
        let lines: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            (
                0,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                1,
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            ),
            (
                2,
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            ),
            (
                8,
                "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
            ),
        ];
        let mut peaks = Peaks::default();
        for (size, line) in (0..).zip(lines) {
            if let Some((_, root)) = roots.iter().find(|(at, _)| *at == size) {
                assert_eq!(hex(&peaks.root()), *root, "{size}");
            }
            peaks.push(leaf(line));
        }
        assert_eq!(hex(&peaks.root()), roots[3].1);
    }

    proptest! {
        #[test]
        fn it_grows_as_the_naive_tree_does(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..70)) {
            let mut peaks = Peaks::default();
            for size in 0..=lines.len() {
                prop_assert_eq!(peaks.root(), naive_root(&lines[..size]));
                prop_assert_eq!(peaks.size(), size as u64);
                let parts = Peaks::from_parts(peaks.size(), peaks.hashes().to_vec());
                prop_assert_eq!(parts.as_ref(), Some(&peaks));
                if let Some(line) = lines.get(size) {
                    peaks.push(leaf(line));
                }
            }
            prop_assert_eq!(Peaks::from_parts(peaks.size() + (1 << 40), peaks.hashes().to_vec()), None);
        }

        #[test]
        fn a_proof_shows_the_beginning_and_nothing_else(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 1..70),
            at in any::<prop::sample::Index>(),
            spoiled in any::<prop::sample::Index>(),
        ) {
            let old = at.index(lines.len() + 1);
            let proof = consistency_proof(&leaves(&lines), old);
            let (old_root, new_root) = (naive_root(&lines[..old]), naive_root(&lines));
            let sizes = (old as u64, lines.len() as u64);
            prop_assert!(is_consistent((sizes.0, &old_root), (sizes.1, &new_root), &proof));
            // Any other root, size or proof is refused.
            let other = leaf(b"another tree");
            prop_assert!(!is_consistent((sizes.0, &other), (sizes.1, &new_root), &proof));
            prop_assert!(!is_consistent((sizes.0, &old_root), (sizes.1, &other), &proof) || old == 0);
            prop_assert!(!is_consistent((sizes.1 + 1, &new_root), (sizes.1, &new_root), &proof));
            let mut longer = proof.clone();
            longer.push(other);
            prop_assert!(!is_consistent((sizes.0, &old_root), (sizes.1, &new_root), &longer));
            if !proof.is_empty() {
                let mut changed = proof.clone();
                let spoiled = spoiled.index(proof.len());
                changed[spoiled][7] ^= 1;
                prop_assert!(!is_consistent((sizes.0, &old_root), (sizes.1, &new_root), &changed));
                let shorter = &proof[..proof.len() - 1];
                prop_assert!(!is_consistent((sizes.0, &old_root), (sizes.1, &new_root), shorter));
            }
        }
    }
}
