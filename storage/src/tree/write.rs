//! Changing a tree: put and remove, and what keeps pages well filled.
//!
//! Each change has two halves. The *plan* walks down and only looks: it finds every page that must be in memory, and holds
//! those that could be evicted meanwhile; it may fail, and then nothing has changed. The *change* walks down again, takes
//! each page of the path into its hands (in place if nobody else sees it, else as a copy whose original is retired),
//! changes the leaf, and mends pages on the way up; it cannot fail.
//!
//! Filling: a full leaf first moves entries to a neighbour in memory that has room to spare, and is divided only if
//! there is none; leaves filled in ascending order are left full and a new one is begun. A leaf or inner page that falls
//! below [`under`] is joined with a neighbour, or takes from it; a removal needs the neighbour in memory, so pages do not stay
//! near-empty.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cache::count;
use super::cell::{Blob, Body, Cell, Node};
use super::inner::{self, Inner};
use super::io::{Need, TreeError, TreeIo};
use super::leaf::{Deal, Full, Leaf, NewValue, Stored, common};
use super::pointer::{LEAF, Retired, VALUE};
use super::{MAX_KEY, MAX_VALUE, Tree, Value};

/// Pages with less than this in use are joined with a neighbour.
fn under(room: usize) -> usize {
    room * 2 / 5
}

/// Two pages become one only if that one is not full at once.
fn joint(room: usize) -> usize {
    room * 9 / 10
}

/// A full leaf and its neighbour share their entries out if together they fill at most this. Else too little room is won,
/// and the next inserts would move entries again: each page must gain a twelfth, and room for an entry of mean size; half
/// an entry more if the neighbour would be written only for this. (Measured, 500,000 items of 1 KiB, 16 MiB dirty: without the
/// last rule 1.43 bytes on disk and 11.4 written per byte; with a whole entry more, 1.55 and 10.4.)
fn shift(room: usize, entry: usize, is_on_disk: bool) -> usize {
    let spare = if is_on_disk { entry * 3 / 2 } else { entry };
    (2 * room).saturating_sub(2 * spare.max(room / 12))
}

/// What a change found out while it only looked.
struct Plan {
    /// The path from the root: the child to enter, and the page if it must be copied.
    steps: Vec<Step>,
    /// The index of the key in its leaf, or where it belongs.
    slot: Result<usize, usize>,
    /// The value that is there.
    old: Option<Value>,
    /// Neighbours that may be needed, held in memory.
    _neighbours: Vec<Arc<Node>>,
}

struct Step {
    child: usize,
    held: Option<Arc<Node>>,
}

/// What a plan is for.
enum Intent {
    Put,
    Remove,
}

/// What has become of a child.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    /// The leaf has no room for the entry; it is unchanged.
    Overflow,
    /// The inner page must be divided.
    Oversize,
    /// The page should be joined with a neighbour.
    Underfull,
    /// The page has no entries left.
    Gone,
}

/// The change itself.
struct Change<'a> {
    io: &'a TreeIo,
    key: &'a [u8],
    /// `None` removes.
    value: Option<NewValue<'a>>,
    slot: Result<usize, usize>,
    /// A leaf was added behind the last one of each page so far on the way up.
    ascending: bool,
    retired: &'a mut Retired,
}

impl Tree {
    /// Sets the value of a key; gives the old one.
    pub(crate) fn put(
        &mut self,
        io: &TreeIo,
        key: &[u8],
        value: &[u8],
        retired: &mut Retired,
    ) -> Result<Option<Value>, Need> {
        check_key(key)?;
        if value.len() > MAX_VALUE {
            return Err(TreeError::ValueTooLong { len: value.len() }.into());
        }
        let out = value.len() > io.layout.inline;
        let mut plan = self.plan(io, key, Intent::Put)?;
        let value = if out {
            count(&io.cache.counters().out_of_line);
            NewValue::OutOfLine(new_blob(io, value))
        } else {
            NewValue::Inline(value)
        };
        let old = plan.old.take();
        Change {
            io,
            key,
            value: Some(value),
            slot: plan.slot,
            ascending: false,
            retired,
        }
        .run(self, plan.steps);
        io.cache.relieve();
        Ok(old)
    }

    /// Removes a key; gives its value.
    pub(crate) fn remove(
        &mut self,
        io: &TreeIo,
        key: &[u8],
        retired: &mut Retired,
    ) -> Result<Option<Value>, Need> {
        check_key(key)?;
        let mut plan = self.plan(io, key, Intent::Remove)?;
        let Some(old) = plan.old.take() else {
            return Ok(None);
        };
        Change {
            io,
            key,
            value: None,
            slot: plan.slot,
            ascending: false,
            retired,
        }
        .run(self, plan.steps);
        io.cache.relieve();
        Ok(Some(old))
    }

    fn plan(&self, io: &TreeIo, key: &[u8], intent: Intent) -> Result<Plan, Need> {
        let mut plan = Plan {
            steps: Vec::new(),
            slot: Err(0),
            old: None,
            _neighbours: Vec::new(),
        };
        if let Some(root) = &self.root {
            plan.visit(io, root, Cell::is_private(root), key, &intent)?;
        }
        Ok(plan)
    }
}

fn check_key(key: &[u8]) -> Result<(), TreeError> {
    if key.len() > MAX_KEY {
        return Err(TreeError::KeyTooLong { len: key.len() });
    }
    Ok(())
}

fn new_blob(io: &TreeIo, value: &[u8]) -> Arc<Cell> {
    let (head, tail) = (io.sealer.head_len(), io.sealer.tail_len());
    let end = head + value.len();
    let mut block = Vec::with_capacity(end + tail);
    block.resize(head, 0);
    block.extend_from_slice(value);
    block.resize(end + tail, 0);
    let node = Node::dirty(
        &io.cache,
        Body::Value(Blob {
            block: block.into(),
            start: head,
            end,
        }),
    );
    Cell::fresh(VALUE, node)
}

impl Plan {
    /// Looks at a page and below. Tells whether the page will want a neighbour.
    fn visit(
        &mut self,
        io: &TreeIo,
        cell: &Arc<Cell>,
        private: bool,
        key: &[u8],
        intent: &Intent,
    ) -> Result<bool, Need> {
        let guard = cell.node.load();
        let Some(node) = guard.as_ref() else {
            return Err(Need::Load(cell.clone()));
        };
        cell.touch();
        let held = if private { None } else { Some(node.clone()) };
        match &node.body {
            Body::Inner(inner) => {
                let child = inner.find(key);
                self.steps.push(Step { child, held });
                let below = &inner.children()[child];
                let wanting =
                    self.visit(io, below, private && Cell::is_private(below), key, intent)?;
                if wanting && inner.children().len() > 1 {
                    self.neighbour(inner, child)?;
                }
                // If two children become one, this page may fall below the mark itself.
                let room = io.inner_room();
                let spare = 2 * (super::PagePtr::LEN + 2 + key.len());
                Ok(wanting && inner.encoded() < under(room) + spare)
            }
            Body::Leaf(leaf) => {
                self.steps.push(Step { child: 0, held });
                self.slot = leaf.search(key);
                let mut entry = 0;
                if let Ok(i) = self.slot {
                    let old = match leaf.value(i) {
                        Stored::Inline(range) if private => Value::copied(&leaf.block()[range]),
                        Stored::Inline(range) => Value::of(node.clone(), range),
                        Stored::OutOfLine(cell) => loaded_blob(cell)?,
                    };
                    entry = if old.len() > io.layout.inline {
                        28
                    } else {
                        old.len()
                    };
                    self.old = Some(old);
                }
                let mark = under(leaf.capacity());
                Ok(match intent {
                    Intent::Remove => self.slot.is_ok() && leaf.used() < mark + entry + key.len(),
                    // Only if something is there to be replaced by less; joined if a neighbour is at hand.
                    Intent::Put => false,
                })
            }
            Body::Value(_) => Err(TreeError::Broken("a child is a value").into()),
        }
    }

    /// Makes sure that a neighbour of a child is in memory, and stays.
    fn neighbour(&mut self, inner: &Inner, child: usize) -> Result<(), Need> {
        let sides = [child.checked_sub(1), Some(child + 1)];
        let sides = sides
            .into_iter()
            .flatten()
            .filter_map(|i| inner.children().get(i));
        let mut absent = None;
        let mut found = false;
        for cell in sides {
            match cell.node.load_full() {
                Some(node) => {
                    self._neighbours.push(node);
                    found = true;
                }
                None => absent = absent.or(Some(cell)),
            }
        }
        match absent {
            Some(cell) if !found => Err(Need::Load(cell.clone())),
            _ => Ok(()),
        }
    }
}

fn loaded_blob(cell: &Arc<Cell>) -> Result<Value, Need> {
    let Some(node) = cell.node.load_full() else {
        return Err(Need::Load(cell.clone()));
    };
    cell.touch();
    let Body::Value(blob) = &node.body else {
        return Err(TreeError::Broken("a value out of line is a page").into());
    };
    let range = blob.start..blob.end;
    Ok(Value::of(node, range))
}

/// States why a page that is being changed must be in memory.
const PLANNED: &str =
    "the plan saw this page in memory and holds it, or it is private and so has its node";

impl Change<'_> {
    fn run(mut self, tree: &mut Tree, steps: Vec<Step>) {
        let Some(root) = &mut tree.root else {
            tree.root = self.first_leaf();
            return;
        };
        match self.descend(root, &mut steps.into_iter()) {
            Fate::Fine | Fate::Underfull => {}
            Fate::Gone => {
                self.retire(root);
                tree.root = None;
                return;
            }
            Fate::Overflow => {
                let node = root.node.load_full().expect(PLANNED);
                let leaf = node.leaf().expect("only leaves overflow");
                let (cells, keys) = self.deal(&[leaf], Some(0), None);
                self.retire(root);
                *root = self.above(LEAF, cells, keys);
            }
            Fate::Oversize => {
                let node = root.node.load_full().expect(PLANNED);
                let page = node.inner().expect("only inner pages are oversize");
                let level = page.level();
                let (cells, keys) = self.divide(level, page.children().to_vec(), page.keys());
                self.retire(root);
                *root = self.above(level, cells, keys);
            }
        }
        // A root with one child is no longer needed.
        loop {
            let node = root.node.load_full();
            let Some(inner) = node.as_ref().and_then(|node| node.inner()) else {
                return;
            };
            let [child] = inner.children() else { return };
            let child = child.clone();
            self.retire(root);
            *root = child;
        }
    }

    fn first_leaf(&mut self) -> Option<Arc<Cell>> {
        let value = self.value.take()?;
        let mut leaf = Leaf::empty(self.io.leaf_frame());
        leaf.insert(0, self.key, &value)
            .expect("an entry of the largest size fits an empty leaf");
        Some(self.cell(LEAF, Body::Leaf(leaf)))
    }

    fn cell(&self, level: u8, body: Body) -> Arc<Cell> {
        Cell::fresh(level, Node::dirty(&self.io.cache, body))
    }

    /// A page above these, or the one cell itself.
    fn above(&self, level: u8, mut cells: Vec<Arc<Cell>>, keys: Vec<Vec<u8>>) -> Arc<Cell> {
        match cells.pop() {
            Some(only) if cells.is_empty() => only,
            Some(last) => {
                cells.push(last);
                let level = level + 1;
                self.cell(level, Body::Inner(Inner::from_parts(level, cells, &keys)))
            }
            None => unreachable!("entries are dealt to at least one page"),
        }
    }

    /// Notes that the newest tree is about to lose this cell. A page that nobody else sees just goes.
    fn retire(&mut self, cell: &Arc<Cell>) {
        if !Cell::is_private(cell) {
            self.retired.add(&cell.place);
        }
    }

    /// Takes the page of a cell for changing: the only reference to it. `cell` is a new one afterwards unless it was private.
    fn own(&mut self, cell: &mut Arc<Cell>, held: Option<Arc<Node>>) -> Arc<Node> {
        if let Some(mut node) = Cell::take_private(cell) {
            // A reader may hold the page of a version that is gone.
            return if Arc::get_mut(&mut node).is_some() {
                node
            } else {
                copy(self.io, &node)
            };
        }
        let node = held.or_else(|| cell.node.load_full()).expect(PLANNED);
        self.retired.add(&cell.place);
        *cell = Cell::vacant(cell.level);
        copy(self.io, &node)
    }

    /// Applies the change at and below a cell.
    fn descend(&mut self, cell: &mut Arc<Cell>, steps: &mut std::vec::IntoIter<Step>) -> Fate {
        let Some(step) = steps.next() else {
            unreachable!("the plan ends at a leaf")
        };
        let mut owned = self.own(cell, step.held);
        let node = Arc::get_mut(&mut owned).expect("an owned page has one reference");
        let fate = match &mut node.body {
            Body::Leaf(leaf) => self.change_leaf(leaf),
            Body::Inner(inner) => self.change_inner(inner, step.child, steps),
            Body::Value(_) => unreachable!("the plan has no values on its path"),
        };
        node.recount();
        Cell::restore(cell, owned);
        fate
    }

    fn change_leaf(&mut self, leaf: &mut Leaf) -> Fate {
        let old = match (&self.value, self.slot) {
            (None, Ok(i)) => leaf.remove(i),
            (None, Err(_)) => None,
            (Some(value), Ok(i)) => match leaf.replace(i, self.key, value) {
                Ok(old) => old,
                Err(Full) => return Fate::Overflow,
            },
            (Some(value), Err(i)) => match leaf.insert(i, self.key, value) {
                Ok(()) => return Fate::Fine,
                Err(Full) => return Fate::Overflow,
            },
        };
        if let Some(old) = old {
            self.retire(&old);
        }
        match leaf.len() {
            0 => Fate::Gone,
            _ if leaf.used() < under(leaf.capacity()) => Fate::Underfull,
            _ => Fate::Fine,
        }
    }

    fn change_inner(
        &mut self,
        inner: &mut Inner,
        child: usize,
        steps: &mut std::vec::IntoIter<Step>,
    ) -> Fate {
        let leaves = inner.level() == 1;
        match self.descend(inner.child_mut(child), steps) {
            Fate::Fine => return Fate::Fine,
            Fate::Gone => {
                let gone = inner.remove(child);
                self.retire(&gone);
            }
            Fate::Overflow => self.spread(inner, child),
            Fate::Oversize => self.divide_child(inner, child),
            Fate::Underfull if leaves => self.join_leaves(inner, child),
            Fate::Underfull => self.join_inner(inner, child),
        }
        self.ascending &= child + 2 == inner.children().len();
        let (room, used) = (self.io.inner_room(), inner.encoded());
        match inner.children().len() {
            0 => Fate::Gone,
            n if used > room && n >= inner::MIN_SPLIT => Fate::Oversize,
            1 => Fate::Underfull,
            _ if used < under(room) => Fate::Underfull,
            _ => Fate::Fine,
        }
    }

    /// The neighbours of a child that are in memory: the ones not on disk yet first, since they will be written anyway.
    fn neighbours(inner: &Inner, child: usize) -> Vec<(usize, bool, Arc<Node>)> {
        let mut found: Vec<_> = [child.checked_sub(1), Some(child + 1)]
            .into_iter()
            .flatten()
            .filter_map(|i| {
                let cell = inner.children().get(i)?;
                Some((i, cell.ptr().is_some(), cell.node.load_full()?))
            })
            .collect();
        found.sort_by_key(|(_, clean, _)| *clean);
        found
    }

    /// A leaf has no room: moves entries to a neighbour, or divides it.
    fn spread(&mut self, inner: &mut Inner, child: usize) {
        let node = inner.children()[child].node.load_full().expect(PLANNED);
        let leaf = node.leaf().expect("only leaves overflow");
        if let (Err(i), Some(value)) = (self.slot, &self.value)
            && leaf.is_ascending(i)
        {
            let mut last = Vec::new();
            leaf.key_into(leaf.len() - 1, &mut last);
            let separator = self.key[..common(&last, self.key) + 1].to_vec();
            let mut next = Leaf::empty(self.io.leaf_frame());
            next.insert(0, self.key, value)
                .expect("an entry of the largest size fits an empty leaf");
            next.continue_run();
            let cells = vec![
                inner.children()[child].clone(),
                self.cell(LEAF, Body::Leaf(next)),
            ];
            drop(inner.splice(child..=child, cells, vec![separator]));
            count(&self.io.cache.counters().splits);
            self.ascending = true;
            return;
        }
        let room = leaf.capacity();
        let wanted = leaf.used() + self.key.len() + self.value.as_ref().map_or(0, NewValue::stored);
        let mean = wanted / (leaf.len() + 1);
        let neighbour = Self::neighbours(inner, child)
            .into_iter()
            .find(|(_, is_on_disk, node)| {
                let used = node.leaf().map_or(room, Leaf::used);
                used + wanted <= shift(room, mean, *is_on_disk)
            });
        let (first, last) = match &neighbour {
            Some((i, ..)) => (child.min(*i), child.max(*i)),
            None => (child, child),
        };
        let other = neighbour
            .as_ref()
            .and_then(|(i, _, node)| Some((*i, node.leaf()?)));
        let (cells, keys) = match other {
            Some((i, other)) if i < child => self.deal(&[other, leaf], Some(1), Some(2)),
            Some((_, other)) => self.deal(&[leaf, other], Some(0), Some(2)),
            None => self.deal(&[leaf], Some(0), None),
        };
        let counters = self.io.cache.counters();
        count(if other.is_some() {
            &counters.shifts
        } else {
            &counters.splits
        });
        self.exchange(inner, first, last, cells, keys);
    }

    /// Puts new cells in the place of some children, and retires those.
    fn exchange(
        &mut self,
        inner: &mut Inner,
        first: usize,
        last: usize,
        cells: Vec<Arc<Cell>>,
        keys: Vec<Vec<u8>>,
    ) {
        for old in inner.splice(first..=last, cells, keys) {
            self.retire(&old);
        }
    }

    /// Deals the entries of leaves out to new ones, the change's entry among those of the leaf at `changed`. The pages are as
    /// many as told, or as they need.
    fn deal(
        &mut self,
        leaves: &[&Leaf],
        changed: Option<usize>,
        pages: Option<usize>,
    ) -> (Vec<Arc<Cell>>, Vec<Vec<u8>>) {
        let mut deal = Deal::default();
        let mut replaced = None;
        for (at, leaf) in leaves.iter().enumerate() {
            match (&self.value, self.slot) {
                (Some(value), slot) if changed == Some(at) => {
                    let (Ok(i) | Err(i)) = slot;
                    deal.push_leaf(leaf, 0..i);
                    deal.push(self.key, value.clone());
                    let rest = if slot.is_ok() { i + 1 } else { i };
                    if slot.is_ok()
                        && let Stored::OutOfLine(cell) = leaf.value(i)
                    {
                        replaced = Some(cell.clone());
                    }
                    deal.push_leaf(leaf, rest..leaf.len());
                }
                _ => deal.push_leaf(leaf, 0..leaf.len()),
            }
        }
        if let Some(cell) = replaced {
            // Its leaf still refers to it, so it does not look private: it is retired and vanishes if it has no place.
            self.retired.add(&cell.place);
        }
        let frame = self.io.leaf_frame();
        let fitting = if deal.total() <= frame.plain() { 1 } else { 2 };
        let ends = deal.ends(frame.plain(), pages.unwrap_or(fitting));
        let (mut cells, mut keys) = (Vec::new(), Vec::new());
        let mut start = 0;
        for end in ends {
            if start > 0 {
                let (left, right) = (deal.key(start - 1), deal.key(start));
                keys.push(right[..common(left, right) + 1].to_vec());
            }
            cells.push(self.cell(LEAF, Body::Leaf(deal.build(start..end, frame))));
            start = end;
        }
        (cells, keys)
    }

    /// Builds inner pages of these children, as many as they need.
    fn divide(
        &mut self,
        level: u8,
        children: Vec<Arc<Cell>>,
        keys: Vec<Vec<u8>>,
    ) -> (Vec<Arc<Cell>>, Vec<Vec<u8>>) {
        let ends = inner::divide(&keys, self.io.inner_room(), self.ascending);
        let splits = &self.io.cache.counters().splits;
        splits.fetch_add(ends.len() as u64 - 1, Ordering::Relaxed);
        self.build_inner(level, children, keys, ends)
    }

    fn build_inner(
        &self,
        level: u8,
        children: Vec<Arc<Cell>>,
        mut keys: Vec<Vec<u8>>,
        ends: Vec<usize>,
    ) -> (Vec<Arc<Cell>>, Vec<Vec<u8>>) {
        let (mut cells, mut between) = (Vec::new(), Vec::new());
        let mut children = children.into_iter();
        let mut start = 0;
        for end in ends {
            let part: Vec<_> = children.by_ref().take(end - start).collect();
            let rest = keys.split_off((end - start - 1).min(keys.len()));
            let page = Inner::from_parts(level, part, &keys);
            cells.push(self.cell(level, Body::Inner(page)));
            let mut rest = rest.into_iter();
            between.extend(rest.next());
            keys = rest.collect();
            start = end;
        }
        (cells, between)
    }

    fn divide_child(&mut self, inner: &mut Inner, child: usize) {
        let node = inner.children()[child].node.load_full().expect(PLANNED);
        let page = node.inner().expect("only inner pages are oversize");
        let (cells, keys) = self.divide(page.level(), page.children().to_vec(), page.keys());
        self.exchange(inner, child, child, cells, keys);
    }

    fn join_leaves(&mut self, inner: &mut Inner, child: usize) {
        let node = inner.children()[child].node.load_full().expect(PLANNED);
        let Some((i, _, other)) = Self::neighbours(inner, child).into_iter().next() else {
            return;
        };
        let (Some(leaf), Some(other)) = (node.leaf(), other.leaf()) else {
            return;
        };
        let total = leaf.used() + other.used();
        let pages = if total <= joint(leaf.capacity()) {
            None
        } else {
            Some(2)
        };
        let pair = if i < child {
            [other, leaf]
        } else {
            [leaf, other]
        };
        // The change has been applied to the leaf already.
        let (cells, keys) = self.deal(&pair, None, pages);
        if cells.len() == 1 {
            count(&self.io.cache.counters().merges);
        } else {
            count(&self.io.cache.counters().shifts);
        }
        self.exchange(inner, child.min(i), child.max(i), cells, keys);
    }

    fn join_inner(&mut self, inner: &mut Inner, child: usize) {
        let node = inner.children()[child].node.load_full().expect(PLANNED);
        let Some((i, _, other)) = Self::neighbours(inner, child).into_iter().next() else {
            return;
        };
        let (Some(page), Some(other)) = (node.inner(), other.inner()) else {
            return;
        };
        let (left, right) = if i < child {
            (other, page)
        } else {
            (page, other)
        };
        let mut children = left.children().to_vec();
        children.extend_from_slice(right.children());
        let mut keys = left.keys();
        keys.push(inner.separator(child.min(i)));
        keys.extend(right.keys());
        let level = page.level();
        let ends = inner::divide(&keys, joint(self.io.inner_room()), false);
        if ends.len() == 1 {
            count(&self.io.cache.counters().merges);
        } else if page.children().len() >= inner::MIN_SPLIT / 2 {
            // The neighbour is well filled, so the two are in the mean.
            return;
        } else {
            count(&self.io.cache.counters().shifts);
        }
        let (cells, keys) = self.build_inner(level, children, keys, ends);
        self.exchange(inner, child.min(i), child.max(i), cells, keys);
    }
}

fn copy(io: &TreeIo, node: &Node) -> Arc<Node> {
    let body = match &node.body {
        Body::Leaf(leaf) => Body::Leaf(leaf.copy()),
        Body::Inner(inner) => Body::Inner(inner.copy()),
        Body::Value(_) => unreachable!("values are replaced, not changed"),
    };
    Node::dirty(&io.cache, body)
}
