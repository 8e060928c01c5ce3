//! What a durable put is compared with: a bare write and fdatasync into a zero-filled file, as the log's segments are.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Latencies, latencies, nanos};
use crate::store::Failure;
use crate::usage;

/// A zero-filled file that is written and synced, one place after the other.
pub struct Bare {
    file: File,
    at: u64,
    bytes: Vec<u8>,
}

impl Bare {
    const LEN: u64 = 8 << 20;

    /// A file in `dir`, written `bytes` at once: the log writes whole blocks of 4 KiB.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn create(dir: &Path, bytes: usize) -> Result<Self, Failure> {
        let file = File::create_new(dir.join("bare"))?;
        let zeros = vec![0; 1 << 20];
        for at in 0..Self::LEN >> 20 {
            file.write_all_at(&zeros, at << 20)?;
        }
        file.sync_all()?;
        Ok(Self {
            file,
            at: 0,
            bytes: vec![0xA5; bytes],
        })
    }

    /// Bytes of one write.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Writes so many bytes at once from now on.
    pub fn set_bytes(&mut self, bytes: usize) {
        self.bytes = vec![0xA5; bytes];
    }

    /// Writes and syncs, one by one.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn syncs(&mut self, count: usize) -> Result<Latencies, Failure> {
        let mut out = latencies();
        for _ in 0..count {
            if self.at + self.bytes.len() as u64 > Self::LEN {
                self.at = 0;
            }
            let start = Instant::now();
            self.file.write_all_at(&self.bytes, self.at)?;
            self.file.sync_data()?;
            out.record(nanos(start.elapsed()))?;
            self.at += self.bytes.len() as u64;
        }
        Ok(out)
    }
}

/// Keeps a core lightly busy while it lives: an idle virtual machine answers a sync after 4 ms instead of a tenth of that.
/// Its processor time is not counted as anybody's.
pub struct Busy {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Busy {
    /// Starts the thread.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let spins = AtomicU64::new(0);
        let thread = std::thread::spawn(move || {
            let mut used = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..2_000 {
                    spins.fetch_add(1, Ordering::Relaxed);
                }
                used = usage::idled(used);
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
