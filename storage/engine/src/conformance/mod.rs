//! The suite that every engine passes: each clause of [`Engine`]'s contract as a check.
//!
//! ```
//! use std::sync::Arc;
//! use sealdb_engine::{Engine, MemoryEngine, conformance};
//!
//! struct Memory;
//! impl conformance::Harness for Memory {
//!     fn fresh(&self) -> Arc<dyn Engine> {
//!         Arc::new(MemoryEngine::new())
//!     }
//!     fn reopen(&self, _: Arc<dyn Engine>) -> Option<Arc<dyn Engine>> {
//!         None // this harness cannot; the checks that need it are skipped
//!     }
//! }
//! assert!(conformance::run(&Memory).passed > 20);
//! ```
//!
//! What a loss of power leaves is not checked here, because no engine can be asked to lose power; that is what
//! [`CrashEngine`](crate::CrashEngine) stands in for.

mod log;
mod pages;
mod reopen;
mod roots;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::{Engine, EngineError, Freed, PageAddr, SpaceId};

/// Makes engines for the suite.
pub trait Harness {
    /// A new, empty engine. Earlier ones may still be open.
    fn fresh(&self) -> Arc<dyn Engine>;

    /// Closes an engine made by [`fresh`](Self::fresh) (the suite has dropped its other handles) and opens what it left.
    /// `None` if this kind of engine keeps nothing.
    fn reopen(&self, engine: Arc<dyn Engine>) -> Option<Arc<dyn Engine>>;
}

/// What the suite did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Clauses that held.
    pub passed: usize,
    /// Clauses that need reopening, which the harness cannot.
    pub skipped: usize,
}

type Clause = (&'static str, fn(Arc<dyn Engine>));
type ReopenClause = (
    &'static str,
    fn(Arc<dyn Engine>, &dyn Fn(Arc<dyn Engine>) -> Arc<dyn Engine>),
);

/// Runs every clause, each on a fresh engine.
///
/// # Panics
/// At the first clause that does not hold; its name is in the captured output and the message says what was expected.
pub fn run(harness: &dyn Harness) -> Report {
    let mut report = Report::default();
    for (name, clause) in [pages::CLAUSES, roots::CLAUSES, log::CLAUSES].concat() {
        let named = Named(name);
        clause(harness.fresh());
        named.done();
        report.passed += 1;
    }
    let reopens = harness.reopen(harness.fresh()).is_some();
    for (name, clause) in reopen::CLAUSES {
        if !reopens {
            report.skipped += 1;
            continue;
        }
        let named = Named(name);
        clause(harness.fresh(), &|engine| {
            harness.reopen(engine).expect("the harness reopened before")
        });
        named.done();
        report.passed += 1;
    }
    report
}

/// Names the clause if a panic passes by.
struct Named(&'static str);

impl Named {
    fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for Named {
    #[allow(clippy::print_stderr)] // the only voice that a failing test has
    fn drop(&mut self) {
        eprintln!(
            "engine conformance: the clause \"{}\" does not hold",
            self.0
        );
    }
}

/// `len` bytes that tell where they came from.
fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = crate::rng::Rng::new(seed);
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(&rng.next().to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Allocates and writes one block.
fn put(engine: &dyn Engine, space: SpaceId, bytes: &[u8]) -> PageAddr {
    let addr = engine
        .allocate(space, bytes.len() as u32)
        .expect("room for a block");
    engine
        .write_pages(&[(addr, bytes)])
        .expect("a block is written");
    addr
}

/// Reads both ways, which must agree.
fn get(engine: &dyn Engine, addr: PageAddr, len: usize) -> Vec<u8> {
    let blocking = engine
        .read_page_blocking(addr, len as u32)
        .expect("a block is read");
    let other = block_on(engine.read_page(addr, len as u32).bytes())
        .expect("a block is read without blocking");
    assert_eq!(blocking, other, "both ways of reading give the same");
    blocking
}

fn freed(space: SpaceId, addr: PageAddr, len: usize) -> Freed {
    Freed {
        space,
        addr,
        len: len as u32,
    }
}

#[track_caller]
fn misuse<T>(result: Result<T, EngineError>) {
    match result {
        Err(EngineError::Misuse { .. }) => {}
        Err(e) => panic!("misuse is called so, but this gave: {e}"),
        Ok(_) => panic!("misuse was allowed"),
    }
}

/// Runs a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
