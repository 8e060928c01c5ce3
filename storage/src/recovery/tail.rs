//! The end of the log in a segment of this process's own.

use sealdb_crypto::{LogPlace, SegmentId};

use super::{ReplayedLog, system};
use crate::error::Error;
use crate::log::frame::{Frame, padded};
use crate::log::reader::ReadSegment;
use crate::log::segments::{Segment, Segments};
use crate::log::writer::{LogWriter, PartSource, build_record};
use crate::root::{RootBody, RootHead, SegmentEntry, position_in};
use crate::shared::{Parts, Shared, SystemSealers};

/// Copies the records that nothing says were durable into a fresh segment, and syncs it. Frames are sealed anew; parts stay as they are
/// and their frames name their origin.
pub(super) fn copy_tail(
    parts: &Parts,
    sealers: &SystemSealers,
    head: &RootHead,
    listed: Vec<ReadSegment>,
    log: &ReplayedLog,
) -> Result<LogWriter, Error> {
    let len: u64 = log.tail.iter().map(|record| padded(record.len)).sum();
    // Room for the tail and a group, so that the first commit need not wait for a file.
    let wanted = len.next_multiple_of(4096) + (64 << 10);
    let (no, capacity) = parts
        .engine
        .log_create(wanted)
        .map_err(Error::from_engine)?;
    let id = SegmentId::generate(parts.provider).map_err(system)?;
    let mut entry = SegmentEntry {
        no,
        id,
        first: 0,
        secrets: false,
        retiring: false,
    };
    let (mut offset, mut previous) = (0, log.durable.1);
    let mut buffer = Vec::new();
    for record in &log.tail {
        let sources: Vec<PartSource<'_>> = record
            .parts
            .iter()
            .map(|(entry, block)| PartSource::Sealed {
                entry: *entry,
                block,
            })
            .collect();
        let frame = Frame {
            end: record.frame.end,
            root_counter: head.counter,
            synced: log.durable.0,
            previous,
            commit_ms: record.frame.commit_ms,
            parts: Vec::new(),
        };
        let place = LogPlace {
            segment: id,
            sequence: record.sequence,
        };
        previous = build_record(&mut buffer, &*sealers.log, place, frame, &sources)?;
        parts
            .engine
            .log_write(no, offset, &buffer)
            .map_err(Error::from_engine)?;
        offset += padded(buffer.len() as u64);
        if entry.first == 0 {
            entry.first = record.sequence;
        }
        entry.secrets |= log.secrets.contains(&record.segment);
    }
    if !log.tail.is_empty() {
        parts.engine.log_sync(no)?;
    }
    let mut list: Vec<Segment> = listed
        .into_iter()
        .map(|segment| {
            let last = log
                .last
                .get(&segment.entry.no)
                .copied()
                .unwrap_or(0)
                .min(log.durable.0);
            let mut entry = segment.entry;
            entry.secrets |= log.secrets.contains(&entry.no);
            Segment {
                entry,
                capacity: segment.capacity,
                last,
                announced: true,
            }
        })
        .collect();
    list.push(Segment {
        entry,
        capacity,
        last: if entry.first == 0 { 0 } else { log.end },
        announced: false,
    });
    let segments = Segments::new(list, Vec::new());
    Ok(LogWriter::new(
        segments, offset, log.end, previous, log.end, log.bytes,
    ))
}

impl Shared {
    /// Installs a root that names the fresh segment, and lets go what it does not name.
    pub(super) fn announce_log(&self, mut body: RootBody) -> Result<(), Error> {
        let mut root = self.root();
        let listed = {
            let log = self.log.lock();
            log.segments.listed(body.sequence, log.durable())
        };
        body.position = position_in(body.position, &listed)?;
        // The places to be zeroed stay listed: the map of this root still calls them allocated.
        body.segments.clone_from(&listed);
        body.remains = true;
        self.install_root(&mut root, body.clone())?;
        let over = self.log.lock().segments.installed(&listed);
        for entry in over {
            self.engine
                .log_release(entry.no, entry.secrets)
                .map_err(Error::from_engine)?;
        }
        Ok(())
    }
}
