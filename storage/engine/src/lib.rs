//! Durable bytes: a log and pages, behind one small trait.
//!
//! The room sees ciphertext only. It knows no keys, no items and no trees: it gives out places in a page file, writes blocks
//! there once, keeps two root slots, and lends out log segments. What a block means, and whether it is genuine, is decided
//! above; therefore nothing here carries a checksum.
//!
//! | module | what it holds |
//! |---|---|
//! | [`Engine`] | the contract that every engine keeps, written on its methods |
//! | [`FileEngine`] | the default: page file, root file and log segments in one directory |
//! | `SledEngine` | the same over sled 0.34, with the feature `sled`: slower, and less safe |
//! | [`MemoryEngine`] | the same in memory, for tests and for throw-away databases |
//! | [`FaultyEngine`] | wraps an engine and makes it fail as told |
//! | [`CrashEngine`] | remembers each write and sync, and rebuilds what a power loss would leave |
//! | [`conformance`] | one suite that every engine passes |
//!
//! # What is guaranteed
//! - What was synced is there after a crash; what was not may be there, be gone, or be there in part (512-byte sectors).
//! - A failed sync stays failed for that file until the engine is opened anew: nothing is retried behind the caller's back.
//! - One writer: a second open is refused by name, and so is any use from a forked child.
//!
//! # What is not
//! - Bytes are not checked. A torn root slot or page is returned as it lies; the seal around it tells.
//! - Nobody counts readers: a place is given out again as soon as it is freed.

mod alloc;
pub mod conformance;
mod core;
mod counters;
mod crash;
mod engine;
mod error;
mod faulty;
mod file;
mod image;
mod lock;
mod memory;
mod rng;
mod root;
mod runs;
mod segments;
#[cfg(feature = "sled")]
mod sled;
mod types;

#[cfg(feature = "sled")]
pub use self::sled::{SledEngine, SledOptions};
pub use alloc::{Allocated, allocated};
pub use crash::{CrashEngine, History, Survival};
pub use engine::{BoxFuture, Engine, PageRead};
pub use error::EngineError;
pub use faulty::{Fault, FaultPoint, Faults, FaultyEngine};
pub use file::{FileEngine, FileOptions};
pub use image::Image;
pub use lock::{OpenMode, database_exists};
pub use memory::MemoryEngine;
pub use segments::SegmentSizes;
pub use types::{EngineStats, Freed, MAX_PAGE_LEN, PageAddr, ROOT_MAX, SegmentNo, SpaceId, UNIT};
