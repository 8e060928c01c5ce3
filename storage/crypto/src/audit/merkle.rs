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

    /// The peak over the leaves from here to there, if that is one.
    fn over(&self, from: u64, to: u64) -> Option<Hash> {
        let len = to - from;
        // Those before it are all larger: the bits of the size above that of its own.
        let above = self.size & !(2 * len - 1);
        let is_one = len.is_power_of_two() && self.size & len != 0 && from == above;
        let before = above.count_ones() as usize;
        is_one.then(|| self.peaks.get(before).copied()).flatten()
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

/// The size of the left side of a tree of `size` leaves, two at least.
fn left_size(size: u64) -> u64 {
    size.next_power_of_two() / 2
}

/// A tree with its leaves, of which the first may be known by their peaks only: what proofs are made from.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    before: Peaks,
    leaves: Vec<Hash>,
}

impl Tree {
    /// A tree of which so much is known, to be grown.
    pub(super) fn after(before: Peaks) -> Self {
        let leaves = Vec::new();
        Self { before, leaves }
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.leaves.push(leaf);
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.before.size + self.leaves.len() as u64
    }

    /// So many leaves, the first ones, are known by their peaks only.
    pub(super) fn known_from(&self) -> u64 {
        self.before.size
    }

    /// The root over the first `size` leaves; `None` if there are fewer, or it is not known.
    pub fn root(&self, size: u64) -> Option<Hash> {
        match size {
            0 => Some(sha256(&[])),
            _ => self.node_over(0, size),
        }
    }

    /// The node over the leaves from here to there, one at least.
    fn node_over(&self, from: u64, to: u64) -> Option<Hash> {
        if let Some(peak) = self.before.over(from, to) {
            return Some(peak);
        }
        if to - from == 1 {
            let at = from.checked_sub(self.before.size)?;
            return self.leaves.get(usize::try_from(at).ok()?).copied();
        }
        let middle = from + left_size(to - from);
        let (left, right) = (self.node_over(from, middle)?, self.node_over(middle, to)?);
        Some(node(&left, &right))
    }

    /// That the tree of the first `old` leaves is the beginning of the tree of the first `new` (RFC 6962, 2.1.2). Empty where that says
    /// itself: of no leaf, and of all. `None` if what it needs is not known.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        let mut proof = Vec::new();
        match old {
            _ if old > new || new > self.size() => return None,
            0 => {}
            _ => self.prove((0, new), old, true, &mut proof)?,
        }
        Some(proof)
    }

    /// SUBPROOF of the RFC, for the leaves from here to there: `whole` while the old tree's root is one that the verifier holds.
    fn prove(
        &self,
        (from, to): (u64, u64),
        old: u64,
        whole: bool,
        proof: &mut Vec<Hash>,
    ) -> Option<()> {
        if old == to {
            if !whole {
                proof.push(self.node_over(from, to)?);
            }
            return Some(());
        }
        let middle = from + left_size(to - from);
        if old <= middle {
            self.prove((from, middle), old, whole, proof)?;
            proof.push(self.node_over(middle, to)?);
        } else {
            self.prove((middle, to), old, false, proof)?;
            proof.push(self.node_over(from, middle)?);
        }
        Some(())
    }

    /// That the leaf of this number, from 0, is in the tree of the first `size` (RFC 6962, 2.1.1). `None` if it is not, or what the
    /// proof needs is not known.
    pub fn inclusion_proof(&self, leaf: u64, size: u64) -> Option<Vec<Hash>> {
        let mut proof = Vec::new();
        let (mut from, mut to) = (0, size);
        if leaf >= size || size > self.size() {
            return None;
        }
        while to - from > 1 {
            let middle = from + left_size(to - from);
            if leaf < middle {
                proof.push(self.node_over(middle, to)?);
                to = middle;
            } else {
                proof.push(self.node_over(from, middle)?);
                from = middle;
            }
        }
        proof.reverse(); // from the leaf up
        Some(proof)
    }
}

/// Whether a proof shows that a leaf has this number, from 0, in the tree of this size and root (RFC 9162, 2.1.3.2).
pub fn is_included(
    (number, leaf): (u64, &Hash),
    (size, root): (u64, &Hash),
    proof: &[Hash],
) -> bool {
    if number >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (number, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
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

    /// A tree that knows all its leaves, or the first of them by their peaks only.
    fn tree(lines: &[Vec<u8>], unknown: usize) -> Tree {
        let mut before = Peaks::default();
        lines[..unknown]
            .iter()
            .for_each(|line| before.push(leaf(line)));
        let mut tree = Tree::after(before);
        lines[unknown..]
            .iter()
            .for_each(|line| tree.push(leaf(line)));
        tree
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
            let proof = tree(&lines, 0).consistency_proof(old as u64, lines.len() as u64).unwrap();
            prop_assert_eq!(tree(&lines, old).consistency_proof(old as u64, lines.len() as u64), Some(proof.clone()), "it is what comes after that it needs");
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

        #[test]
        fn a_leaf_is_shown_to_be_in_its_place_and_nowhere_else(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 1..70),
            at in any::<prop::sample::Index>(),
            of in any::<prop::sample::Index>(),
            unknown in any::<prop::sample::Index>(),
            spoiled in any::<prop::sample::Index>(),
        ) {
            let size = of.index(lines.len()) + 1;
            let at = at.index(size);
            let (root, own) = (naive_root(&lines[..size]), leaf(&lines[at]));
            let whole = tree(&lines, 0);
            prop_assert_eq!(whole.root(size as u64), Some(root));
            let (number, size) = (at as u64, size as u64);
            let proof = whole.inclusion_proof(number, size).unwrap();
            prop_assert!(is_included((number, &own), (size, &root), &proof));
            // The same without what lies before the leaf, or nothing.
            let unknown = unknown.index(lines.len() + 1);
            let partly = tree(&lines, unknown).inclusion_proof(number, size);
            prop_assert!(partly.is_some() || unknown > at);
            prop_assert!(partly.is_none_or(|partly| partly == proof));
            prop_assert_eq!(whole.inclusion_proof(size, size), None);
            prop_assert_eq!(whole.inclusion_proof(0, lines.len() as u64 + 1), None);
            // Any other leaf, number, root or proof is refused.
            let other = leaf(b"another line");
            prop_assert!(!is_included((number, &other), (size, &root), &proof));
            prop_assert!(!is_included((number, &own), (size, &other), &proof));
            for elsewhere in (0..=size).filter(|elsewhere| *elsewhere != number) {
                let fits = is_included((elsewhere, &own), (size, &root), &proof);
                prop_assert!(!fits || lines.get(elsewhere as usize) == Some(&lines[at]));
            }
            let mut longer = proof.clone();
            longer.push(other);
            prop_assert!(!is_included((number, &own), (size, &root), &longer));
            if !proof.is_empty() {
                let mut changed = proof.clone();
                changed[spoiled.index(proof.len())][7] ^= 1;
                prop_assert!(!is_included((number, &own), (size, &root), &changed));
                prop_assert!(!is_included((number, &own), (size, &root), &proof[1..]));
            }
        }
    }
}
