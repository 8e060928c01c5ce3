//! A database where there is none.
//!
//! Crash before its first root is durable: there is no database yet, and the next open makes one.

use std::sync::Arc;

use sealdb_crypto::{
    BlockTag, Caller, DatabaseId, EncryptionContext, Generation, KeyRecord, KeyRef, Moment,
    SegmentId, TableId,
};
use sealdb_engine::Engine;

use super::{Patience, is_zero, system};
use crate::checkpoint::Checkpoints;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::log::segments::{Segment, Segments};
use crate::log::writer::LogWriter;
use crate::pins::Pins;
use crate::root::{LogPosition, RootBody, RootHead, SegmentEntry};
use crate::shared::{FIRST_TABLE_SPACE, Opened, Parts, Published, Shared, system_sealers};
use crate::tree::{PageCache, Tree};

/// Two empty slots are a database whose creation was cut short, if nothing else is there: its first root comes before any page and any
/// record. Otherwise somebody wiped the roots, and a new database would bury what is left.
pub(super) fn refuse_remains(engine: &dyn Engine) -> Result<(), Error> {
    let remains =
        || Error::NoRoot("both slots are empty, but there are pages or log records".into());
    if engine.stats().page_file_len > 0 {
        return Err(remains());
    }
    for (no, capacity) in engine.log_segments()? {
        if !is_zero(engine, no, capacity)? {
            return Err(remains());
        }
    }
    Ok(())
}

/// Makes the system key, a first log segment and the first root.
pub(super) fn create(parts: Parts, database: DatabaseId) -> Result<Arc<Shared>, Error> {
    let asked = Moment::now(&*parts.clock);
    let context = EncryptionContext::for_system(database, Generation::FIRST);
    let suite = parts.sealing.suite();
    let kms = parts.kms.clone();
    let (system_key, key) = Patience::new(&parts).ask(move || {
        let (caller, key) = (Caller::database(), KeyRef::system());
        KeyRecord::create(&*kms, &caller, &key, context, Generation::FIRST, suite)
    })?;
    let cache = PageCache::new(parts.options.page_bytes());
    let sealers = system_sealers(&parts, &cache, database, key);
    let keeper = Keeper::new(&parts.options);
    keeper.insert(TableId::SYSTEM, asked);

    let (no, capacity) = parts
        .engine
        .log_create(64 << 10)
        .map_err(Error::from_engine)?;
    let id = SegmentId::generate(parts.provider).map_err(system)?;
    let entry = SegmentEntry {
        no,
        id,
        first: 0,
        secrets: false,
        retiring: false,
    };
    let position = LogPosition {
        segment: no,
        offset: 0,
    };
    let tag = BlockTag::from_bytes([0; 16]);
    let head = RootHead {
        suite,
        database,
        counter: 0,
        kms: parts.kms.identity(),
        system_key,
    };
    let body = RootBody {
        sequence: 0,
        tag,
        position,
        catalog: None,
        free_map: None,
        next_space: FIRST_TABLE_SPACE,
        segments: vec![entry],
        scrub: Vec::new(),
        remains: true,
        deleting: false,
    };
    let segments = Segments::new(
        vec![Segment {
            entry,
            capacity,
            last: 0,
            announced: false,
        }],
        Vec::new(),
    );
    let pins = Pins::new(parts.clock.clone(), parts.options.pin_max_age);
    let shared = Shared::new(
        parts,
        Opened {
            head,
            body: body.clone(),
            cache,
            pins,
            system: sealers,
            published: Published::new(0, tag, position),
            log: LogWriter::new(segments, 0, 0, tag, 0, 0),
            next_space: FIRST_TABLE_SPACE,
            checkpoints: Checkpoints::new(Tree::empty(), false),
            keeper,
            tokens: Arc::default(),
            torn_tails: 0,
        },
    );
    // Crash before this is durable: there is no database yet.
    let mut root = shared.root();
    shared.install_root(&mut root, body.clone())?;
    drop(root);
    shared.log.lock().segments.announced(&body.segments);
    Ok(shared)
}
