//! Which segment files hold the log, in which order, and which of them can go.
//!
//! A segment is *announced* once a durable root lists it; only then may a record in it be acknowledged, so that a missing file is
//! noticed. It is *begun* with its first record. A segment whose records all stand in a checkpoint is released; if key records stood in
//! it, it stays listed as *retiring* until its bytes are zeros.

use sealdb_engine::SegmentNo;

use crate::root::SegmentEntry;

/// A segment in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) entry: SegmentEntry,
    pub(crate) capacity: u64,
    /// Sequence of its last record; 0 if it has none.
    pub(crate) last: u64,
    /// Listed by a durable root.
    pub(crate) announced: bool,
}

/// The segments of the log, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    list: Vec<Segment>,
    /// Index of the one that records are written to.
    current: usize,
    /// Out of the log, to be wiped.
    retiring: Vec<SegmentEntry>,
}

impl Segments {
    /// `list` oldest first, the last one current; `retiring` as the root listed them.
    pub(crate) fn new(list: Vec<Segment>, retiring: Vec<SegmentEntry>) -> Self {
        let current = list.len().saturating_sub(1);
        Segments {
            list,
            current,
            retiring,
        }
    }

    pub(crate) fn current(&self) -> Option<&Segment> {
        self.list.get(self.current)
    }

    pub(crate) fn current_mut(&mut self) -> Option<&mut Segment> {
        self.list.get_mut(self.current)
    }

    /// Whether an announced segment behind the current one takes a record of this length.
    pub(crate) fn has_next(&self, len: u64) -> bool {
        self.next_index(len).is_some()
    }

    fn next_index(&self, len: u64) -> Option<usize> {
        (self.current + 1..self.list.len()).find(|&at| {
            self.list
                .get(at)
                .is_some_and(|segment| segment.announced && segment.capacity >= len)
        })
    }

    /// Makes the next announced segment that is large enough the current one.
    pub(crate) fn advance(&mut self, len: u64) -> bool {
        match self.next_index(len) {
            Some(next) => {
                self.current = next;
                true
            }
            None => false,
        }
    }

    /// Whatever stands in the segments of now is wiped when they are released.
    pub(crate) fn mark_secret(&mut self) {
        for segment in &mut self.list {
            segment.entry.secrets = true;
        }
    }

    /// Goes on in the segment of this number, past all that lie between.
    pub(crate) fn advance_to(&mut self, no: SegmentNo) -> bool {
        let at = self.list.iter().position(|segment| segment.entry.no == no);
        match at {
            Some(at) if at > self.current => {
                self.current = at;
                true
            }
            _ => false,
        }
    }

    /// Whether all that was used before this segment is released, and wiped if it had to be.
    pub(crate) fn begins_at(&self, no: SegmentNo) -> bool {
        let at = self.list.iter().position(|segment| segment.entry.no == no);
        self.retiring.is_empty() && at.is_none_or(|at| at == 0)
    }

    /// Adds a new segment behind the others. It is not announced yet.
    pub(crate) fn push(&mut self, segment: Segment) {
        self.list.push(segment);
    }

    pub(crate) fn remove(&mut self, no: SegmentNo) {
        self.list.retain(|segment| segment.entry.no != no);
    }

    /// What a root at checkpoint `sequence` lists: what stays, and what is being wiped. `durable` is the highest sequence that is
    /// synced: a first record beyond it may not be there after a crash, so it is not promised.
    pub(crate) fn listed(&self, sequence: u64, durable: u64) -> Vec<SegmentEntry> {
        let mut out = Vec::with_capacity(self.list.len() + self.retiring.len());
        for (at, segment) in self.list.iter().enumerate() {
            let mut entry = segment.entry;
            if self.is_over(at, segment, sequence) {
                if !entry.secrets {
                    continue;
                }
                entry.retiring = true;
            }
            if entry.first > durable {
                entry.first = 0;
            }
            out.push(entry);
        }
        out.extend(self.retiring.iter().copied());
        out
    }

    fn is_over(&self, at: usize, segment: &Segment, sequence: u64) -> bool {
        at < self.current && segment.last <= sequence
    }

    /// A checkpoint's root that lists these is durable: everything in it is announced, and what it does not need comes out. What
    /// has become over since the list was made stays: the root begins to read there.
    pub(crate) fn installed(&mut self, listed: &[SegmentEntry]) -> Vec<SegmentEntry> {
        let needed = |segment: &Segment| {
            let of_it = |entry: &&SegmentEntry| entry.id == segment.entry.id;
            listed
                .iter()
                .find(of_it)
                .is_some_and(|entry| !entry.retiring)
        };
        let mut over = std::mem::take(&mut self.retiring);
        let mut kept = Vec::with_capacity(self.list.len());
        let mut current = 0;
        for (at, segment) in self.list.iter().enumerate() {
            if !needed(segment) {
                over.push(SegmentEntry {
                    retiring: true,
                    ..segment.entry
                });
                continue;
            }
            if at == self.current {
                current = kept.len();
            }
            kept.push(*segment);
        }
        self.list = kept;
        self.current = current;
        self.announced(listed);
        over
    }

    /// A root that lists these is durable.
    pub(crate) fn announced(&mut self, listed: &[SegmentEntry]) {
        for segment in &mut self.list {
            segment.announced |= listed.iter().any(|entry| entry.id == segment.entry.id);
        }
    }

    /// Could not be wiped: to be tried again with the next root.
    pub(crate) fn put_back(&mut self, entry: SegmentEntry) {
        self.retiring.push(entry);
    }

    /// Whether a record up to `sequence` still stands in a segment in use.
    pub(crate) fn holds(&self, sequence: u64) -> bool {
        !self.retiring.is_empty()
            || self
                .list
                .iter()
                .any(|segment| segment.entry.first != 0 && segment.entry.first <= sequence)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.list.iter()
    }

    /// Whether an unused segment waits behind the current one.
    pub(crate) fn has_spare(&self) -> bool {
        self.current + 1 < self.list.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sealdb_crypto::SegmentId;

    fn segment(no: u32, first: u64, last: u64, secrets: bool) -> Segment {
        let entry = SegmentEntry {
            no: SegmentNo(no),
            id: SegmentId::from_bytes([u8::try_from(no).unwrap(); 16]),
            first,
            secrets,
            retiring: false,
        };
        Segment {
            entry,
            capacity: 1 << 20,
            last,
            announced: true,
        }
    }

    #[test]
    fn what_a_checkpoint_holds_is_released_and_secrets_are_wiped_first() {
        let list = vec![
            segment(1, 1, 10, true),
            segment(2, 11, 20, false),
            segment(3, 21, 25, false),
        ];
        let mut segments = Segments::new(list, vec![]);
        assert!(segments.holds(10));

        let listed = segments.listed(15, 25);
        assert_eq!(
            listed
                .iter()
                .map(|e| (e.no.0, e.retiring))
                .collect::<Vec<_>>(),
            [(1, true), (2, false), (3, false)]
        );
        let over = segments.installed(&listed);
        assert_eq!(over.iter().map(|e| e.no.0).collect::<Vec<_>>(), [1]);
        assert!(!segments.holds(10), "segment 2 begins at 11");

        segments.put_back(over[0]);
        assert!(segments.holds(10), "it could not be wiped");
        let listed = segments.listed(25, 25);
        assert_eq!(
            listed.iter().map(|e| e.no.0).collect::<Vec<_>>(),
            [3, 1],
            "the current one stays"
        );
        let over = segments.installed(&listed);
        assert_eq!(over.iter().map(|e| e.no.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(segments.current().unwrap().entry.no, SegmentNo(3));
    }

    #[test]
    fn a_segment_takes_records_only_once_announced() {
        let mut segments = Segments::new(vec![segment(1, 1, 1, false)], vec![]);
        segments.push(Segment {
            announced: false,
            ..segment(2, 0, 0, false)
        });
        assert!(!segments.has_next(4096) && segments.has_spare());
        let listed = segments.listed(0, 1);
        segments.installed(&listed);
        assert!(segments.has_next(4096) && !segments.has_next(2 << 20));
        assert!(segments.advance(4096));
        assert_eq!(segments.current().unwrap().entry.no, SegmentNo(2));
    }

    #[test]
    fn a_segment_that_the_root_begins_in_stays_though_the_log_goes_on_while_the_root_is_written() {
        let list = vec![segment(1, 1, 15, false), segment(2, 0, 0, false)];
        let mut segments = Segments::new(list, vec![]);
        segments.current = 0;
        let listed = segments.listed(15, 15);
        assert!(segments.advance(4096));
        assert_eq!(segments.installed(&listed), []);
        assert_eq!(segments.current().unwrap().entry.no, SegmentNo(2));
        let listed = segments.listed(15, 15);
        assert_eq!(segments.installed(&listed)[0].no, SegmentNo(1));
        assert_eq!(segments.current().unwrap().entry.no, SegmentNo(2));
    }

    #[test]
    fn a_first_record_that_is_not_durable_is_not_promised() {
        let segments = Segments::new(vec![segment(1, 5, 5, false)], vec![]);
        assert_eq!(segments.listed(0, 4)[0].first, 0);
        assert_eq!(segments.listed(0, 5)[0].first, 5);
    }
}
