//! The log behind the root, and what the catalog carries along of it.

use std::collections::HashMap;

use sealdb_crypto::{BlockHead, TableId};
use sealdb_engine::{PageAddr, SegmentNo};
use sealdb_model::codec;

use super::{Check, Places, TableState};
use crate::catalog::record::{CarriedPart, SystemOutcome};
use crate::error::Error;
use crate::log::frame::{Outcome, Outcomes, Written};
use crate::log::reader::{LogReader, ReadSegment, Record, open_part};
use crate::recovery::ChosenRoot;
use crate::shared::CARRIED_SPACE;
use crate::tree::PagePtr;

impl Check<'_> {
    /// What is carried along in the catalog for tables that were closed.
    pub(super) fn carried_parts(&mut self, places: &mut Option<Places>) {
        for (key, value) in std::mem::take(&mut self.carried) {
            let part = match CarriedPart::decode(&value) {
                Ok(part) => part,
                Err(what) => {
                    self.damage(format!("catalog: {what}"));
                    continue;
                }
            };
            self.claim(
                &mut places.as_mut(),
                CARRIED_SPACE,
                &part.place,
                "a carried log part",
            );
            let id = key
                .get(1..17)
                .and_then(|id| <[u8; 16]>::try_from(id).ok())
                .map(TableId::from_bytes);
            let Some(id) = id.filter(|id| self.tables.contains_key(id)) else {
                self.damage("catalog: a carried log part of no table");
                continue;
            };
            let PagePtr { addr, len, tag, .. } = part.place;
            let place = |addr: PageAddr| format!("a carried log part at {}", addr.0);
            match self.parts.engine.read_page_blocking(addr, len) {
                Err(error) => self.table_damage(id, &format!("{}: {error}", place(addr))),
                Ok(mut block) => {
                    let held = self.tables.get(&id);
                    let opened = match held.and_then(|held| held.sealers.clone()) {
                        Some(sealers) => open_part(&*sealers.log, &tag, part.origin, &mut block)
                            .map_err(|error| error.to_string())
                            .and_then(|plain| decode_part(plain).map_err(str::to_owned)),
                        None => match BlockHead::parse(&block) {
                            Ok(_) => Ok(()),
                            Err(_) => Err("it is no block".into()),
                        },
                    };
                    if let Err(what) = opened {
                        self.table_damage(id, &format!("{}: {what}", place(addr)));
                    }
                }
            }
        }
    }

    /// Follows the log from the root. Whether it ends with a clean close.
    pub(super) fn log(&mut self, chosen: &ChosenRoot) -> bool {
        let engine = &*self.parts.engine;
        let existing: HashMap<SegmentNo, u64> = match engine.log_segments() {
            Ok(segments) => segments.into_iter().collect(),
            Err(error) => {
                self.damage(format!("log: {error}"));
                return false;
            }
        };
        let body = &chosen.body;
        let mut listed = Vec::new();
        for entry in body.segments.iter().filter(|entry| !entry.retiring) {
            match existing.get(&entry.no) {
                Some(capacity) => listed.push(ReadSegment {
                    entry: *entry,
                    capacity: *capacity,
                }),
                None => self.damage(format!("log segment {} is missing", entry.no.0)),
            }
        }
        let others: Vec<(SegmentNo, u64)> = existing
            .iter()
            .filter(|(no, _)| !body.segments.iter().any(|entry| entry.no == **no))
            .map(|(no, capacity)| (*no, *capacity))
            .collect();
        let mut reader = LogReader::new(
            engine,
            &*chosen.sealers.log,
            listed,
            body.position,
            body.sequence,
            body.tag,
        );
        if chosen.fallback
            && let Err(error) = reader.confirm_beginnings()
        {
            self.damage(format!("log: {error}"));
        }
        let mut ended = false;
        loop {
            match reader.next() {
                Ok(Some(record)) => {
                    ended = record.frame.end;
                    self.report.log_records += 1;
                    self.record(chosen, &record);
                }
                Ok(None) => break,
                Err(error) => {
                    self.damage(format!("log: {error}"));
                    return false;
                }
            }
        }
        if let Err(error) = reader.confirm_end(chosen.head.counter, &others) {
            self.damage(format!("log: {error}"));
            return false;
        }
        ended
    }

    fn record(&mut self, chosen: &ChosenRoot, record: &Record) {
        let counter = chosen.head.counter;
        if record.frame.root_counter > counter {
            self.damage(format!(
                "log: root {counter} is in use, but record {} was written under root {}",
                record.sequence, record.frame.root_counter
            ));
        }
        let mut system = Vec::new();
        for (entry, block) in &record.parts {
            let mut block = block.clone();
            if entry.table == TableId::SYSTEM {
                let outcomes =
                    open_part(&*chosen.sealers.log, &entry.tag, entry.origin, &mut block).and_then(
                        |plain| {
                            SystemOutcome::decode_all(plain).map_err(|what| {
                                Error::malformed_part(TableId::SYSTEM, record.sequence, what)
                            })
                        },
                    );
                match outcomes {
                    Ok(outcomes) => system = outcomes,
                    Err(error) => self.damage(format!("log: {error}")),
                }
                continue;
            }
            let Some(held) = self.tables.get(&entry.table) else {
                self.damage(format!(
                    "log: record {} has a part of table {}, which the catalog does not know",
                    record.sequence, entry.table
                ));
                continue;
            };
            let Some(sealers) = held.sealers.clone() else {
                continue;
            };
            let opened = open_part(&*sealers.log, &entry.tag, entry.origin, &mut block)
                .map_err(|error| error.to_string())
                .and_then(|plain| decode_part(plain).map_err(str::to_owned));
            if let Err(what) = opened {
                self.table_damage(
                    entry.table,
                    &format!("log record {}: {what}", record.sequence),
                );
            }
        }
        for outcome in system {
            match outcome {
                SystemOutcome::Created(record) => {
                    if !self.tables.contains_key(&record.id) {
                        self.hold(*record, true);
                    }
                }
                SystemOutcome::Token(_) | SystemOutcome::Altered(..) => {}
                SystemOutcome::Keys(id, records) => self.set_keys(id, *records),
                SystemOutcome::Deleted(id) => {
                    if let Some(held) = self.tables.get_mut(&id)
                        && held.checked.state != TableState::Damaged
                    {
                        held.checked.state = TableState::Deleted;
                    }
                }
            }
        }
    }
}

/// Reads the outcomes of a part.
fn decode_part(plain: &[u8]) -> Result<(), &'static str> {
    for outcome in Outcomes::new(plain) {
        if let Outcome::Item(Written {
            item: Some(item), ..
        }) = outcome.map_err(|what| what.0)?
        {
            codec::decode_item(item).map_err(|_| "an item that does not decode")?;
        }
    }
    Ok(())
}
