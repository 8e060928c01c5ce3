//! The trees of one table beside each other: items, an index, expiry times. Their keys are of one table key, and yet no block of one
//! passes for a block of another.

use std::collections::BTreeMap;

use sealdb::crypto::BlockKind;
use sealdb::model::ops::{PutItemInput, ScanInput};
use sealdb_tests::disk::UNIT;
use sealdb_tests::judge::{INDEX, item, lay_out};

use crate::tamper::{INDEXED, Trial, live, place, unit};

/// Units of a leaf.
const UNITS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tree {
    Items,
    Index,
    Expiry,
}

/// The tree of the table with an index that a leaf belongs to, by what does not work without it.
fn tree_of(trial: &Trial, leaf: usize) -> Option<Tree> {
    let mut files = trial.victim.newer.clone();
    files.file("pages.seal")[leaf * UNIT + 60] ^= 1;
    lay_out(&files, &trial.data);
    let db = trial.home.builder_at(&trial.data).open_sync().ok()?;
    let items = db.scan(ScanInput::new(INDEXED));
    let index = db.scan(ScanInput::new(INDEXED).index_name(INDEX));
    let put = db.put_item(PutItemInput::new(INDEXED, item("new", 1, "new")));
    match (items.is_ok(), index.is_ok(), put.is_ok()) {
        (false, _, _) => Some(Tree::Items),
        (true, false, _) => Some(Tree::Index),
        (true, true, false) => Some(Tree::Expiry),
        (true, true, true) => None,
    }
}

#[test]
fn pages_of_an_index_and_of_expiry_times_fit_no_other_place() {
    let mut trial = Trial::new();
    let newer = &trial.victim.newer;
    let mut trees: BTreeMap<Tree, Vec<usize>> = BTreeMap::new();
    for leaf in live(BlockKind::Leaf) {
        if let Some(tree) = tree_of(&trial, leaf) {
            trees.entry(tree).or_default().push(leaf);
        }
    }
    let count = |tree| trees.get(&tree).map_or(0, Vec::len);
    assert!(count(Tree::Items) >= 3, "{trees:?}");
    assert!(count(Tree::Index) >= 3, "{trees:?}");
    assert!(count(Tree::Expiry) >= 1, "{trees:?}");
    let leaves: Vec<(Tree, usize)> = trees
        .iter()
        .flat_map(|(tree, leaves)| leaves.iter().take(3).map(|leaf| (*tree, *leaf)))
        .collect();
    for (a, at) in &leaves {
        for (b, from) in leaves.iter().filter(|(_, from)| from > at) {
            let (first, second) = (unit(newer, *at, UNITS), unit(newer, *from, UNITS));
            for (one, other, what) in [
                (&second, &second, "copied"),
                (&first, &first, "copied back"),
                (&second, &first, "swapped"),
            ] {
                let mut files = newer.clone();
                place(&mut files, *at, one);
                place(&mut files, *from, other);
                let what = format!("{a:?} at {at} and {b:?} at {from} {what}");
                assert!(trial.newer(&files, &what).noticed(), "{what}");
            }
        }
    }
    trial.report("trees");
}
