//! Opening, closing, crashes and faults of a history: what may be found afterwards, and that nothing else is.

use sealdb::model::ops::PutItemInput;
use sealdb::{Error, ErrorCode};
use sealdb_engine::{Fault, FaultPoint, Survival};

use crate::check::everything;
use crate::model::{Change, Model};
use crate::run::Run;

/// When a history crashes.
#[derive(Clone, Copy, Debug)]
pub enum Crashes {
    Never,
    /// As its chance says, again and again.
    AtRandom,
    /// Once; the world knows at which operation.
    Once(Survival),
}

/// What may fail while the database is open.
const FAULTS: [(FaultPoint, Fault); 17] = [
    (FaultPoint::PageWrite, Fault::Io),
    (FaultPoint::PageWrite, Fault::Full),
    (FaultPoint::PageWrite, Fault::Short),
    (FaultPoint::PageZero, Fault::Io),
    (FaultPoint::PageSync, Fault::Sync),
    (FaultPoint::PageRead, Fault::Io),
    (FaultPoint::PageRead, Fault::FlipBit),
    (FaultPoint::RootInstall, Fault::Io),
    (FaultPoint::RootInstall, Fault::Full),
    (FaultPoint::RootInstall, Fault::Sync),
    (FaultPoint::LogCreate, Fault::Io),
    (FaultPoint::LogCreate, Fault::Full),
    (FaultPoint::LogWrite, Fault::Io),
    (FaultPoint::LogWrite, Fault::Short),
    (FaultPoint::LogSync, Fault::Sync),
    (FaultPoint::LogRelease, Fault::Io),
    (FaultPoint::Trim, Fault::Io),
];

/// What may fail while it is opened. A bit turned in the log's end could not be told from a torn one, so there is none.
const FAULTS_AT_OPEN: [(FaultPoint, Fault); 8] = [
    (FaultPoint::PageRead, Fault::Io),
    (FaultPoint::RootRead, Fault::Io),
    (FaultPoint::LogRead, Fault::Io),
    (FaultPoint::LogCreate, Fault::Full),
    (FaultPoint::LogWrite, Fault::Short),
    (FaultPoint::LogSync, Fault::Sync),
    (FaultPoint::RootInstall, Fault::Io),
    (FaultPoint::RootInstall, Fault::Sync),
];

impl Run<'_> {
    // ---- plans

    /// Makes the engine crash at one of its next `within` operations.
    pub fn arm(&mut self, within: usize) {
        let n = self.rng.between(1, within) as u64;
        self.world.crash_at(self.world.operations() + n);
    }

    pub fn plan_trouble(&mut self) {
        if self.draw.faults && !self.rng.one_in(4) {
            return self.plan_fault();
        }
        if !self.world.can_crash() || !matches!(self.crashes, Crashes::AtRandom) {
            return self.put_or_delete();
        }
        let within = self.rng.pick(&[1, 4, 20, 60]);
        self.note(|| format!("a crash within {within} operations"));
        self.arm(within);
    }

    fn plan_fault(&mut self) {
        match self.rng.below(6) {
            0 => {
                let room = self.rng.pick(&[0, 20 << 10, 200 << 10]);
                self.note(|| format!("room for {room} bytes"));
                self.world.faults.room(Some(room));
            }
            1 => {
                self.note(|| "no more faults".into());
                self.world.faults.clear();
            }
            2 => {
                let (seed, one_in) = (self.rng.next(), self.rng.pick(&[2, 5]));
                self.note(|| format!("one page in {one_in} is not read"));
                let faults = [
                    (FaultPoint::PageRead, Fault::Io),
                    (FaultPoint::PageRead, Fault::FlipBit),
                ];
                self.world.faults.fail_randomly(seed, one_in, &faults);
            }
            _ => {
                let (point, fault) = self.rng.pick(&FAULTS);
                let nth = self.rng.between(1, 3) as u64;
                self.note(|| format!("{point:?} fails: {fault:?}, call {nth}"));
                self.world.faults.fail_nth(point, nth, fault);
            }
        }
    }

    /// Whether a fault has struck since the database was opened.
    pub fn struck(&self) -> bool {
        self.world.faults.struck() > self.struck_before
    }

    // ---- opening

    /// Opens what survived, crashes on the way included, and decides which of the possible states it is: the model,
    /// one of `others`, or, if acknowledged writes were not synced and the power was lost, an earlier one.
    pub fn reopen(&mut self, others: Vec<Model>) {
        loop {
            self.world.faults.clear();
            self.struck_before = self.world.faults.struck();
            if self.draw.faults && self.rng.one_in(4) {
                let (point, fault) = self.rng.pick(&FAULTS_AT_OPEN);
                self.note(|| format!("{point:?} fails while opening: {fault:?}"));
                self.world.faults.fail_nth(point, 1, fault);
            }
            match self.world.open() {
                Ok(db) => {
                    self.db = Some(db);
                    self.counters.add("opens", 1);
                }
                Err(error) if self.world.crashed() => {
                    self.note(|| format!("crash while opening ({error})"));
                    self.counters.add("crashes while opening", 1);
                    self.after_crash();
                    continue;
                }
                Err(error) if self.struck() => {
                    self.note(|| format!("fault while opening ({error})"));
                    self.counters.add("faults while opening", 1);
                    self.process_ends();
                    continue;
                }
                Err(Error::NoRoot(_)) if self.written == 0 && self.model == Model::default() => {
                    // Its creation was cut short: there is no database yet.
                    self.counters.add("cut creations", 1);
                    self.world.wiped();
                    continue;
                }
                Err(error) => panic!("cannot open: {error}"),
            }
            self.world.faults.clear();
            let found = match everything(self.db()) {
                Ok(found) => found,
                Err(error) => {
                    assert!(self.world.crashed(), "cannot read after opening: {error}");
                    self.crash_and_drop();
                    continue;
                }
            };
            return self.settle(found, others);
        }
    }

    /// What was found is what goes on: it is one of the states that it may be.
    fn settle(&mut self, found: Model, others: Vec<Model>) {
        if found == self.model {
            return self.durable_now();
        }
        if let Some(at) = others.iter().position(|other| *other == found) {
            self.note(|| format!("the unacknowledged write is there ({at})"));
            self.counters.add("unacknowledged writes found", 1);
            self.model = found;
            return self.durable_now();
        }
        // A prefix: everything up to some write, nothing after it.
        let mut prefix = self.durable.clone();
        for kept in 0..self.unsynced.len() {
            if prefix == found {
                let lost = self.unsynced.len() - kept;
                assert!(self.power_lost, "{lost} acknowledged writes are lost");
                self.note(|| format!("{lost} unsynced writes are lost"));
                self.counters.add("unsynced writes lost", lost as u64);
                self.model = found;
                return self.durable_now();
            }
            for change in &self.unsynced[kept] {
                prefix.apply(change);
            }
        }
        panic!(
            "opened, but neither what was acknowledged nor one of {} more:\n  {}",
            others.len() + self.unsynced.len(),
            self.model.difference(&found)
        );
    }

    /// All that was acknowledged survives a loss of power from here on.
    pub fn durable_now(&mut self) {
        self.power_lost = false;
        if self.draw.interval() {
            self.counters
                .add("unsynced writes made durable", self.unsynced.len() as u64);
            self.durable = self.model.clone();
            self.unsynced.clear();
        }
    }

    /// These changes, whole or absent together, were acknowledged.
    pub fn acknowledged(&mut self, piece: &[Change]) {
        for change in piece {
            self.model.apply(change);
        }
        if self.draw.interval() {
            self.unsynced.push(piece.to_vec());
        }
    }

    // ---- closing and crashing

    fn take_db(&mut self) -> Option<sealdb::blocking::Database> {
        let db = self.db.take()?;
        let stats = db.stats();
        assert_eq!(
            stats.rejected_frees, 0,
            "places freed twice, or never taken"
        );
        self.note(|| format!("{stats:?}"));
        self.counters.add_stats(&stats);
        Some(db)
    }

    /// What is left after a crash: of the process alone, or of the power.
    fn after_crash(&mut self) {
        if matches!(self.crashes, Crashes::AtRandom) && self.rng.one_in(4) {
            self.note(|| {
                format!(
                    "killed at {} ({})",
                    self.world.operations(),
                    self.world.last_operation()
                )
            });
            self.world.process_died();
            self.counters.add("kills", 1);
        } else {
            self.lose_power();
        }
    }

    /// The disk as it is after a loss of power.
    fn lose_power(&mut self) {
        let survival = match self.crashes {
            Crashes::Once(survival) => survival,
            _ => match self.rng.below(8) {
                0 => Survival::Nothing,
                1 => Survival::Everything,
                _ => Survival::Seeded(self.rng.next()),
            },
        };
        if matches!(self.crashes, Crashes::Once(_)) {
            self.crashes = Crashes::Never;
        }
        self.note(|| {
            format!(
                "the power fails at {} ({}): {survival:?}",
                self.world.operations(),
                self.world.last_operation()
            )
        });
        self.world.power_failed(survival);
        self.counters.add("crashes", 1);
        self.power_lost = true;
        // And perhaps again while it recovers.
        if matches!(self.crashes, Crashes::AtRandom) && self.rng.one_in(4) {
            self.arm(25);
        }
    }

    fn crash_and_drop(&mut self) {
        drop(self.take_db());
        self.after_crash();
    }

    /// Perhaps the power fails between two operations, right after a sync.
    pub fn power_cut(&mut self) {
        if matches!(self.crashes, Crashes::AtRandom) && self.rng.one_in(4) {
            drop(self.take_db());
            self.lose_power();
            self.reopen(Vec::new());
        }
    }

    /// The database is gone; the machine may follow.
    fn process_ends(&mut self) {
        let unplugged = self.world.can_crash()
            && matches!(self.crashes, Crashes::AtRandom)
            && self.rng.one_in(3);
        if unplugged {
            self.lose_power();
        } else if self.world.crashed() {
            self.after_crash();
        } else {
            self.world.process_died();
        }
    }

    pub fn close(&mut self) {
        let Some(db) = self.take_db() else { return };
        let closed = db.close();
        drop(db);
        match closed {
            Ok(()) => self.durable_now(),
            Err(error) => {
                self.note(|| format!("close failed: {error}"));
                assert!(
                    self.world.crashed() || self.struck(),
                    "close failed for no reason: {error}"
                );
            }
        }
        self.process_ends();
    }

    pub fn close_and_reopen(&mut self) {
        self.note(|| "close and reopen".into());
        self.close();
        self.counters.add("reopenings", 1);
        self.reopen(Vec::new());
    }

    pub fn drop_and_reopen(&mut self) {
        self.note(|| "drop and reopen".into());
        drop(self.take_db());
        self.process_ends();
        self.counters.add("reopenings", 1);
        self.reopen(Vec::new());
    }

    // ---- failures

    /// A step failed, because of a crash or a fault. After a crash, what is found may be the model or one of `others`.
    pub fn recover(&mut self, error: &Error, others: Vec<Model>) {
        if self.world.crashed() {
            self.note(|| format!("crash: {error}"));
            self.crash_and_drop();
            return self.reopen(others);
        }
        self.note(|| format!("failed: {error}"));
        let code = error.code();
        // Being read-only has an earlier reason.
        let now = self.world.faults.struck() > self.struck_before_step;
        assert!(
            now || (code == ErrorCode::ReadOnlyException && self.struck()),
            "failed for no reason: {error}"
        );
        match code {
            ErrorCode::UnknownOutcomeException => {
                self.counters.add("unknown outcomes", 1);
                self.read_only(others);
            }
            ErrorCode::ReadOnlyException => {
                self.counters.add("writes refused: read-only", 1);
                self.read_only(Vec::new());
            }
            ErrorCode::StorageFullException => {
                self.counters.add("writes refused: disk full", 1);
                self.make_space();
            }
            ErrorCode::InternalServerError | ErrorCode::DataCorruptionException => {
                self.counters.add("calls failed by a fault", 1);
                self.unchanged();
            }
            code => panic!("a fault became {code:?}: {error}"),
        }
    }

    /// A write that found the disk full has changed nothing; with space again, writing goes on.
    fn make_space(&mut self) {
        if self.rng.one_in(2) && !self.model.tables.is_empty() {
            self.note(|| "there is space again".into());
            self.world.faults.room(None);
            self.put_or_delete();
        }
        self.verify_step();
    }

    /// A failed call has changed nothing, and reads go on.
    fn unchanged(&mut self) {
        if self.rng.one_in(3) {
            self.verify_step();
        }
    }

    /// A write or sync failed for good: reads go on, writes are refused until the database is opened anew.
    fn read_only(&mut self, mut others: Vec<Model>) {
        self.world.faults.clear();
        let found = everything(self.db()).expect("reads go on");
        if found != self.model {
            // Of a batch in pieces, some were done before.
            let done = others.iter().position(|other| *other == found);
            let done = done
                .unwrap_or_else(|| panic!("while read-only:\n  {}", self.model.difference(&found)));
            others.drain(..=done);
            self.model = found;
        }
        if !self.model.tables.is_empty() {
            let (table, shape) = self.some_table();
            let key = self.draw.key(&mut self.rng, shape);
            let item = self.draw.item(&mut self.rng, &key, 0);
            let refused = self
                .db()
                .put_item(PutItemInput::new(&table, (*item).clone()));
            let code = refused.map_err(|error| error.code());
            assert_eq!(code.err(), Some(ErrorCode::ReadOnlyException));
        }
        let refused = self.db().checkpoint_now().map_err(|error| error.code());
        assert_eq!(refused, Err(ErrorCode::ReadOnlyException));
        self.counters.add("reopenings of a read-only database", 1);
        if self.rng.one_in(2) {
            self.close();
        } else {
            drop(self.take_db());
            self.process_ends();
        }
        self.reopen(others);
    }
}
