//! Everything that the parts of an open database share.
//!
//! Locks, in the order in which they may be taken; the seat is never held across I/O:
//!
//! | lock | held by |
//! |---|---|
//! | `ddl` | CREATE and DELETE of tables, opening and closing of tables |
//! | `checkpoints` | one checkpoint at a time |
//! | `root` | whoever installs a root |
//! | `pipeline`, `seat`, `queue` | see `commit` |
//! | a table's `working` | in the seat |
//! | `published` | the leader while it publishes, a checkpoint while it takes its snapshot |
//! | `log` | the leader while it writes a record; others for a moment |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use parking_lot::{Mutex, MutexGuard};
use sealdb_crypto::kms::Kms;
use sealdb_crypto::{
    BlockTag, Clock, DatabaseId, Provider, Purpose, Scope, Sealer, Sealing, TableId, TableKey,
    TableKeys, TreeId,
};
use sealdb_engine::{Engine, EngineError, SpaceId};
use sealdb_model::TableName;

use crate::audit::Trail;
use crate::checkpoint::Checkpoints;
use crate::commit::lead::Pipeline;
use crate::commit::queue::{Orphan, Queue};
use crate::commit::seat::Seat;
use crate::error::{ClosedReason, Error};
use crate::keeper::Keeper;
use crate::log::room::Room;
use crate::log::writer::LogWriter;
use crate::options::Options;
use crate::pins::Pins;
use crate::rekey::Rekeys;
use crate::root::{LogPosition, RootBody, RootHead, seal_root};
use crate::table::{Table, TableSealers};
use crate::tokens::Tokens;
use crate::tree::{PageCache, Retired, TreeIo};
use crate::trees::RetiredByTree;

/// The components that a database is built from.
#[derive(Clone)]
pub struct Parts {
    /// Durable bytes.
    pub engine: Arc<dyn Engine>,
    /// The block transform.
    pub sealing: Arc<dyn Sealing>,
    /// Who keeps the keys that wrap ours.
    pub kms: Arc<dyn Kms>,
    /// The audit trail.
    pub trail: Trail,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Cryptographic primitives and randomness.
    pub provider: &'static Provider,
    /// Settings.
    pub options: Options,
}

/// The space of the catalog's tree.
pub(crate) const CATALOG_SPACE: SpaceId = SpaceId(1);
/// The space of the allocation map's blocks.
pub(crate) const MAP_SPACE: SpaceId = SpaceId(2);
/// The space of log parts that are carried along for closed tables.
pub(crate) const CARRIED_SPACE: SpaceId = SpaceId(3);
/// The first space that a table may get.
pub(crate) const FIRST_TABLE_SPACE: u64 = 16;

/// All tables, by name. Ordered rather than hashed: a hash that nobody can aim at takes longer than comparing a few names.
pub(crate) type Tables = BTreeMap<TableName, Arc<Table>>;

/// All tables of one moment, not counted: cheap to take on every thread at once, and not meant to be kept.
pub(crate) type TablesGuard = Guard<Arc<Tables>>;

/// An open database, shared by its handles and threads.
pub(crate) struct Shared {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) sealing: Arc<dyn Sealing>,
    pub(crate) kms: Arc<dyn Kms>,
    pub(crate) trail: Trail,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) provider: &'static Provider,
    pub(crate) options: Options,
    pub(crate) database: DatabaseId,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) pins: Arc<Pins>,
    system: ArcSwapOption<SystemSealers>,
    tables: ArcSwap<Tables>,
    pub(crate) ddl: Mutex<()>,
    pub(crate) checkpoints: Checkpoints,
    root: Mutex<RootState>,
    root_counter: AtomicU64,
    pub(crate) next_space: AtomicU64,
    pub(crate) pipeline: Pipeline,
    pub(crate) queue: Queue,
    pub(crate) orphans: Mutex<Vec<Orphan>>,
    pub(crate) seat: Mutex<Seat>,
    pub(crate) published: Arc<Published>,
    pub(crate) log: Mutex<LogWriter>,
    pub(crate) keeper: Keeper,
    pub(crate) rekeys: Rekeys,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) room: Room,
    /// How many torn ends of the log opening met.
    pub(crate) torn_tails: u64,
    health: Mutex<Health>,
    /// Whether `health` is anything but `Open`.
    unhealthy: AtomicBool,
    stopping: AtomicBool,
    refusing: AtomicBool,
}

enum Health {
    Open,
    ReadOnly(Arc<Error>),
    SystemKeyLost(ClosedReason),
    Closed,
}

/// The sealers under the system key.
pub(crate) struct SystemSealers {
    pub(crate) root: Arc<dyn Sealer>,
    pub(crate) log: Arc<dyn Sealer>,
    pub(crate) catalog: Arc<TreeIo>,
}

/// The newest durable root.
pub(crate) struct RootState {
    pub(crate) head: RootHead,
    pub(crate) body: RootBody,
    /// The last counter given out, also to roots that failed.
    counter: u64,
}

/// What is published, and what a checkpoint needs to know about it.
pub(crate) struct Published {
    /// Shared with the tables, which must not hold on to this: it holds them.
    sequence: Arc<AtomicU64>,
    inner: Mutex<PublishedInner>,
}

pub(crate) struct PublishedInner {
    /// Tag of the last published record.
    pub(crate) tag: BlockTag,
    /// Where the record after it may begin.
    pub(crate) position: LogPosition,
    /// Given up since the last checkpoint.
    pub(crate) retired: Vec<RetiredPlaces>,
    /// Spaces of tables deleted since the last checkpoint.
    pub(crate) dropped: Vec<SpaceId>,
    /// Deleted tables that the catalog on the disk may still have.
    pub(crate) deleted: Vec<Arc<Table>>,
    /// In an order that does not change from run to run: it is the order of checkpoints' writes.
    pub(crate) tables: BTreeMap<TableId, Arc<Table>>,
}

impl PublishedInner {
    /// Notes what a table's trees gave up.
    pub(crate) fn retire(&mut self, table: TableId, retired: RetiredByTree) {
        let places = retired.into_iter().map(|(space, retired)| RetiredPlaces {
            table,
            space,
            retired,
        });
        self.retired.extend(places);
    }
}

/// Places that a group gave up in one of a table's trees.
pub(crate) struct RetiredPlaces {
    pub(crate) table: TableId,
    pub(crate) space: SpaceId,
    pub(crate) retired: Retired,
}

impl Published {
    pub(crate) fn new(sequence: u64, tag: BlockTag, position: LogPosition) -> Arc<Self> {
        Arc::new(Published {
            sequence: Arc::new(AtomicU64::new(sequence)),
            inner: Mutex::new(PublishedInner {
                tag,
                position,
                retired: Vec::new(),
                dropped: Vec::new(),
                deleted: Vec::new(),
                tables: BTreeMap::new(),
            }),
        })
    }

    /// The highest sequence whose outcomes every reader sees.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// The counter itself.
    pub(crate) fn sequence_counter(&self) -> Arc<AtomicU64> {
        self.sequence.clone()
    }

    pub(crate) fn advance(&self, sequence: u64) {
        self.sequence.fetch_max(sequence, Ordering::Release);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, PublishedInner> {
        self.inner.lock()
    }
}

/// What recovery found, for [`Shared::new`].
pub(crate) struct Opened {
    pub(crate) head: RootHead,
    pub(crate) body: RootBody,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) system: SystemSealers,
    pub(crate) published: Arc<Published>,
    pub(crate) log: LogWriter,
    pub(crate) next_space: u64,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) keeper: Keeper,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) torn_tails: u64,
}

impl Shared {
    pub(crate) fn new(parts: Parts, opened: Opened) -> Arc<Self> {
        let sequence = opened.published.sequence();
        let tables = opened
            .published
            .lock()
            .tables
            .values()
            .map(|table| (table.name.clone(), table.clone()))
            .collect();
        let counter = opened.head.counter;
        let seat = Seat::new(sequence, parts.clock.clone());
        Arc::new(Shared {
            engine: parts.engine,
            sealing: parts.sealing,
            kms: parts.kms,
            trail: parts.trail,
            clock: parts.clock,
            provider: parts.provider,
            options: parts.options,
            database: opened.head.database,
            cache: opened.cache,
            pins: opened.pins,
            system: ArcSwapOption::from_pointee(opened.system),
            tables: ArcSwap::from_pointee(tables),
            ddl: Mutex::new(()),
            checkpoints: opened.checkpoints,
            root: Mutex::new(RootState {
                head: opened.head,
                body: opened.body,
                counter,
            }),
            root_counter: AtomicU64::new(counter),
            next_space: AtomicU64::new(opened.next_space),
            pipeline: Pipeline::default(),
            queue: Queue::default(),
            orphans: Mutex::new(Vec::new()),
            seat: Mutex::new(seat),
            published: opened.published,
            log: Mutex::new(opened.log),
            keeper: opened.keeper,
            rekeys: Rekeys::default(),
            tokens: opened.tokens,
            torn_tails: opened.torn_tails,
            room: Room::default(),
            health: Mutex::new(Health::Open),
            unhealthy: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
        })
    }

    // ---- health

    /// Whether writes are taken.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn writable(&self) -> Result<(), Error> {
        if !self.unhealthy.load(Ordering::Acquire) {
            return Ok(());
        }
        match &*self.health.lock() {
            Health::Open => Ok(()),
            Health::ReadOnly(cause) => Err(Error::ReadOnly(cause.clone())),
            Health::SystemKeyLost(reason) => Err(Error::SystemKeyLost(reason.clone())),
            Health::Closed => Err(Error::Closed),
        }
    }

    /// Whether a new write is taken: not any more once closing has begun.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn accepts_writes(&self) -> Result<(), Error> {
        self.writable()?;
        if self.refusing.load(Ordering::Acquire) {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    /// Whether reads are served.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn readable(&self) -> Result<(), Error> {
        match self.writable() {
            Err(Error::ReadOnly(_)) => Ok(()),
            other => other,
        }
    }

    pub(crate) fn set_read_only(&self, cause: Error) {
        let mut health = self.health.lock();
        if matches!(*health, Health::Open) {
            *health = Health::ReadOnly(Arc::new(cause));
            self.unhealthy.store(true, Ordering::Release);
        }
    }

    /// The error of a write or sync of pages or roots. After a failed sync nobody knows what the file holds, and it takes no more
    /// writes: no checkpoint can follow until the database is opened again.
    pub(crate) fn engine_failed(&self, error: EngineError) -> Error {
        let sync_failed = matches!(error, EngineError::SyncFailed { .. });
        let error = Error::from_engine(error);
        if sync_failed {
            tracing::error!(%error, "a sync failed: read-only until opened again");
            self.set_read_only(error.clone());
        }
        error
    }

    pub(crate) fn set_system_key_lost(&self, reason: ClosedReason) {
        let mut health = self.health.lock();
        if !matches!(*health, Health::Closed) {
            *health = Health::SystemKeyLost(reason);
            self.unhealthy.store(true, Ordering::Release);
        }
        self.system.store(None);
        self.wake_readers();
    }

    /// Those who wait for changes of a table are told that there will be none.
    fn wake_readers(&self) {
        self.tables().values().for_each(|table| table.wake());
    }

    /// No more writes; reads go on until [`Shared::set_closed`].
    pub(crate) fn refuse_new(&self) {
        self.refusing.store(true, Ordering::Release);
    }

    pub(crate) fn set_closed(&self) {
        *self.health.lock() = Health::Closed;
        self.unhealthy.store(true, Ordering::Release);
        self.wake_readers();
    }

    /// Whether threads are to end.
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Release);
        self.pipeline.stop();
        self.checkpoints.wake();
        self.keeper.wake();
        self.rekeys.wake();
        self.room.wake();
        self.trail.wake();
    }

    // ---- keys

    /// The sealers of the system.
    ///
    /// # Errors
    /// [`Error::SystemKeyLost`], [`Error::Closed`].
    pub(crate) fn system_sealers(&self) -> Result<Arc<SystemSealers>, Error> {
        match self.system.load_full() {
            Some(system) => Ok(system),
            None => Err(self.readable().err().unwrap_or(Error::Closed)),
        }
    }

    /// What a table's keys give.
    pub(crate) fn table_sealers(&self, id: TableId, keys: TableKeys) -> TableSealers {
        let table = (self.database, id);
        TableSealers::new(&self.engine, &self.sealing, &self.cache, table, keys)
    }

    // ---- tables

    /// The table of this name.
    pub(crate) fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.load().get(name).cloned()
    }

    /// All tables, by name, for a moment.
    #[inline]
    pub(crate) fn tables_now(&self) -> TablesGuard {
        self.tables.load()
    }

    /// All tables, by name.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.tables.load_full()
    }

    pub(crate) fn insert_table(&self, table: &Arc<Table>) {
        self.tables.rcu(|tables| {
            let mut tables = BTreeMap::clone(tables);
            tables.insert(table.name.clone(), table.clone());
            tables
        });
    }

    pub(crate) fn remove_table(&self, table: &Arc<Table>) {
        self.tables.rcu(|tables| {
            let mut tables = BTreeMap::clone(tables);
            if tables
                .get(&table.name)
                .is_some_and(|other| other.id == table.id)
            {
                tables.remove(&table.name);
            }
            tables
        });
    }

    // ---- root

    /// Counter of the newest durable root.
    pub(crate) fn root_counter(&self) -> u64 {
        self.root_counter.load(Ordering::Acquire)
    }

    pub(crate) fn root(&self) -> MutexGuard<'_, RootState> {
        self.root.lock()
    }

    /// Seals and installs a root; durable on return. The caller holds the lock, made the pages durable and filled the body.
    ///
    /// # Errors
    /// The old root is in use then.
    pub(crate) fn install_root(&self, root: &mut RootState, body: RootBody) -> Result<(), Error> {
        let system = self.system_sealers()?;
        // A failed one may be on the disk all the same: its counter is never used again.
        root.counter += 1;
        let mut head = root.head.clone();
        head.counter = root.counter;
        let identity = self.kms.identity();
        if head.kms.accepts(&identity).is_ok() {
            head.kms = identity;
        }
        let bytes = seal_root(&head, &body, &*system.root)?;
        self.engine
            .install_root(&bytes)
            .map_err(|error| self.engine_failed(error))?;
        root.head = head;
        root.body = body;
        self.root_counter.store(root.counter, Ordering::Release);
        Ok(())
    }
}

/// The sealers of the system under its key.
pub(crate) fn system_sealers(
    parts: &Parts,
    cache: &Arc<PageCache>,
    database: DatabaseId,
    key: TableKey,
) -> SystemSealers {
    let key = Arc::new(key);
    let sealer = |purpose| {
        parts.sealing.sealer(
            &key,
            Scope {
                database,
                table: TableId::SYSTEM,
                purpose,
            },
        )
    };
    let catalog = sealer(Purpose::Pages(TreeId::BASE));
    SystemSealers {
        root: sealer(Purpose::Root),
        log: sealer(Purpose::Log),
        catalog: Arc::new(TreeIo::new(
            parts.engine.clone(),
            catalog,
            CATALOG_SPACE,
            cache.clone(),
        )),
    }
}
