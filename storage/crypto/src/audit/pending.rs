//! Events that wait to be written together: accesses to items, and refusals.

use std::mem;

use super::reader::MAX_RECORD;

/// Events of one record: half of what fits, because the lines that are made of them are longer.
const BATCH_BYTES: usize = MAX_RECORD / 2;
/// Longest event that is noted. One that is longer does not fit a batch.
const EVENT_BYTES: usize = 32 << 10;
/// At most so many bytes wait; what comes beyond is counted only.
const MAX_BYTES: usize = 8 << 20;
/// What a line has besides its event, sequence and hash; with the events, at least this much memory.
const LINE_BYTES: usize = 128;

/// What waits.
#[derive(Default)]
pub(super) struct Pending {
    events: Vec<String>,
    bytes: usize,
    left_out: u64,
}

/// Some of it, for one record.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) events: Vec<String>,
    /// So many events were not kept.
    pub(super) left_out: u64,
}

fn len_of(event: &str) -> usize {
    event.len() + LINE_BYTES
}

impl Pending {
    /// Adds an event. True if a batch has become full, so that somebody should write it.
    pub(super) fn push(&mut self, event: String) -> bool {
        if event.len() > EVENT_BYTES || self.bytes >= MAX_BYTES {
            self.left_out += 1;
            return false;
        }
        let was_much = self.is_much();
        self.bytes += len_of(&event);
        self.events.push(event);
        !was_much && self.is_much()
    }

    /// Whether a record can be filled.
    pub(super) fn is_much(&self) -> bool {
        self.bytes >= BATCH_BYTES
    }

    /// Takes the first of them, as many as fit a record.
    pub(super) fn take(&mut self) -> Batch {
        let left_out = mem::take(&mut self.left_out);
        if self.bytes <= BATCH_BYTES {
            self.bytes = 0;
            let events = mem::take(&mut self.events);
            return Batch { events, left_out };
        }
        let mut bytes = 0;
        let fits = self.events.iter().take_while(|event| {
            bytes += len_of(event);
            bytes <= BATCH_BYTES
        });
        let count = fits.count();
        let rest = self.events.split_off(count);
        let events = mem::replace(&mut self.events, rest);
        self.bytes -= events.iter().map(|event| len_of(event)).sum::<usize>();
        Batch { events, left_out }
    }

    /// What could not be written waits again, before what has come since.
    pub(super) fn put_back(&mut self, batch: Batch) {
        self.bytes += batch
            .events
            .iter()
            .map(|event| len_of(event))
            .sum::<usize>();
        self.events.splice(0..0, batch.events);
        self.left_out += batch.left_out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_fits_a_record_and_what_is_too_much_is_counted() {
        let mut pending = Pending::default();
        let event = "x".repeat(1000);
        let mut pushed = 0;
        let mut woken = 0;
        while pending.left_out == 0 {
            woken += usize::from(pending.push(event.clone()));
            pushed += 1;
        }
        assert_eq!(woken, 1, "once, when the first batch is full");
        assert!(pending.events.capacity() * event.len() < 4 * MAX_BYTES);
        pending.push("y".repeat(EVENT_BYTES + 1));
        assert_eq!(pending.left_out, 2);
        let first = pending.take();
        assert_eq!(first.left_out, 2);
        assert!(first.events.len() > 50);
        let count = first.events.len();
        pending.put_back(first);
        let mut taken = 0;
        loop {
            let batch = pending.take();
            if batch.events.is_empty() {
                break;
            }
            assert!(batch.events.iter().map(|e| len_of(e)).sum::<usize>() <= BATCH_BYTES);
            assert!(batch.events.len() <= count);
            taken += batch.events.len();
        }
        assert_eq!(taken, pushed - 1);
        assert_eq!((pending.bytes, pending.left_out), (0, 0));
    }
}
