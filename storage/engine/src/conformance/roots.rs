//! Clauses about the two root slots.

use std::sync::Arc;

use super::{Clause, misuse, pattern};
use crate::{Engine, ROOT_MAX};

pub(super) const CLAUSES: &[Clause] = &[
    ("a new engine has no roots", none),
    ("roots take turns, and both are read", turns),
    ("a shorter root leaves nothing of a longer one", shorter),
    ("a root has 1 byte to 32 KiB", lengths),
    ("the slot that is not live is written", live_slot),
];

fn none(e: Arc<dyn Engine>) {
    assert_eq!(e.read_roots().expect("roots are read"), [None, None]);
}

fn turns(e: Arc<dyn Engine>) {
    e.install_root(b"one").expect("a root is installed");
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(b"one".to_vec()), None]
    );
    e.install_root(b"two").expect("a root is installed");
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(b"one".to_vec()), Some(b"two".to_vec())]
    );
    e.install_root(b"three").expect("a root is installed");
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(b"three".to_vec()), Some(b"two".to_vec())]
    );
    assert_eq!(e.stats().root_writes, 3);
    assert!(e.stats().syncs >= 3);
}

fn shorter(e: Arc<dyn Engine>) {
    let long = pattern(1, 20_000);
    for root in [&long[..], &long[..], &long[..100], &long[..1]] {
        e.install_root(root).expect("a root is installed");
    }
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(long[..100].to_vec()), Some(long[..1].to_vec())]
    );
}

fn lengths(e: Arc<dyn Engine>) {
    e.install_root(b"live").expect("a root is installed");
    misuse(e.install_root(&[]));
    misuse(e.install_root(&pattern(1, ROOT_MAX + 1)));
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(b"live".to_vec()), None]
    );
    let longest = pattern(2, ROOT_MAX);
    e.install_root(&longest)
        .expect("the longest root is installed");
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(b"live".to_vec()), Some(longest)]
    );
}

fn live_slot(e: Arc<dyn Engine>) {
    for (live, root) in [(1, b"a"), (1, b"b"), (0, b"c")] {
        e.set_live_root_slot(live);
        e.install_root(root).expect("a root is installed");
        let roots = e.read_roots().expect("roots are read");
        assert_eq!(roots[1 - live].as_deref(), Some(&root[..]));
    }
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(b"b".to_vec()), Some(b"c".to_vec())]
    );
}
