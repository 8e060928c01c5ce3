//! One file: whole writes, syncs that stay failed, reads that do not wait.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags};

use crate::EngineError;
use crate::runs::{Run, padding};

/// Zeros are written in pieces of 64 KiB. The system caches a file in units as long as the writes that made them (folios), and a sync of
/// a record looks through the whole unit: in pieces of 1 MiB a write of 600 bytes with its sync took 207 µs, in these 183 (medians of
/// five interleaved rounds of 600, ext4, Linux 6.18); in pieces of 4 and 16 KiB it took longer again, 212 and 192.
const ZERO_PIECE: usize = 64 << 10;

/// Bytes are read before they are zeroed, in pieces of 64 KiB.
const CLEAR_PIECE: u64 = 64 << 10;

/// How a read that must not wait is done on this file's filesystem.
mod cached {
    /// `preadv2` with `RWF_NOWAIT`.
    pub(super) const NOWAIT: u8 = 0;
    /// A plain read: the file lies in memory (tmpfs), which knows no `RWF_NOWAIT`.
    pub(super) const PLAIN: u8 = 1;
    /// Not at all: every read goes to the blocking pool.
    pub(super) const NEVER: u8 = 2;
}

/// A file whose failed sync is not forgotten.
pub(super) struct DurableFile {
    file: File,
    name: String,
    /// The first failed sync. From then on the file takes no writes: Linux reports a lost write once and then forgets it.
    failed: OnceLock<Arc<io::Error>>,
    cached: AtomicU8,
}

impl DurableFile {
    pub(super) fn new(file: File, name: impl Into<String>) -> Self {
        Self {
            file,
            name: name.into(),
            failed: OnceLock::new(),
            cached: AtomicU8::new(cached::NOWAIT),
        }
    }

    fn place(&self, offset: u64) -> String {
        format!("{} at byte {offset}", self.name)
    }

    /// Refuses once a sync has failed.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        match self.failed.get() {
            None => Ok(()),
            Some(source) => Err(EngineError::SyncFailed {
                place: self.name.clone(),
                source: Arc::clone(source),
            }),
        }
    }

    pub(super) fn len(&self) -> Result<u64, EngineError> {
        let metadata = self
            .file
            .metadata()
            .map_err(|e| EngineError::io("look at", self.name.clone(), e))?;
        Ok(metadata.len())
    }

    pub(super) fn truncate(&self, len: u64) -> Result<(), EngineError> {
        self.check()?;
        self.file
            .set_len(len)
            .map_err(|e| EngineError::io("shorten", self.name.clone(), e))
    }

    /// Writes all bytes.
    pub(super) fn write_all_at(&self, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.write_slices(offset, &mut [IoSlice::new(bytes)])
    }

    /// Writes a run of blocks, each padded with zeros to whole units, in as few system calls as the system allows.
    pub(super) fn write_run(&self, offset: u64, run: &Run<'_>) -> Result<(), EngineError> {
        let mut slices = Vec::with_capacity(run.blocks.len());
        for block in &run.blocks {
            slices.push(IoSlice::new(block));
            let zeros = padding(block.len());
            if !zeros.is_empty() {
                slices.push(IoSlice::new(zeros));
            }
        }
        self.write_slices(offset, &mut slices)
    }

    fn write_slices(
        &self,
        mut offset: u64,
        mut slices: &mut [IoSlice<'_>],
    ) -> Result<(), EngineError> {
        self.check()?;
        IoSlice::advance_slices(&mut slices, 0); // drops empty ones in front
        while !slices.is_empty() {
            match rustix::io::pwritev(&self.file, slices, offset) {
                Ok(0) => {
                    return Err(EngineError::io(
                        "write",
                        self.place(offset),
                        io::ErrorKind::WriteZero.into(),
                    ));
                }
                Ok(n) => {
                    offset += n as u64;
                    IoSlice::advance_slices(&mut slices, n);
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(EngineError::io("write", self.place(offset), e.into())),
            }
        }
        Ok(())
    }

    /// Writes `len` zeros from `offset` on. Real bytes, not `fallocate`: a log segment made so costs a sync no metadata later.
    pub(super) fn write_zeros(&self, offset: u64, len: u64) -> Result<(), EngineError> {
        let piece = vec![0; ZERO_PIECE.min(len as usize)];
        let mut at = 0;
        while at < len {
            let n = (len - at).min(piece.len() as u64);
            self.write_all_at(offset + at, piece.get(..n as usize).unwrap_or_default())?;
            at += n;
        }
        Ok(())
    }

    /// Makes `len` bytes from `offset` on zeros, as far as the file reaches, and tells how many were written: pieces that are zeros
    /// already are not, so that a hole stays one.
    pub(super) fn clear(&self, offset: u64, len: u64) -> Result<u64, EngineError> {
        self.check()?;
        let end = self.len()?.min(offset.saturating_add(len));
        let (mut at, mut written) = (offset, 0);
        while at < end {
            let n = (end - at).min(CLEAR_PIECE);
            let bytes = self.read_exact_at(at, n as usize)?;
            if bytes.iter().any(|byte| *byte != 0) {
                self.write_zeros(at, n)?;
                written += n;
            }
            at += n;
        }
        Ok(written)
    }

    /// `fdatasync`. A failure is final.
    pub(super) fn sync(&self) -> Result<(), EngineError> {
        self.check()?;
        match rustix::fs::fdatasync(&self.file) {
            Ok(()) => Ok(()),
            Err(e) => {
                let source = Arc::clone(self.failed.get_or_init(|| Arc::new(e.into())));
                Err(EngineError::SyncFailed {
                    place: self.name.clone(),
                    source,
                })
            }
        }
    }

    /// Reads exactly `len` bytes, blocking. The buffer is not zeroed first.
    pub(super) fn read_exact_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, EngineError> {
        let mut out = Vec::with_capacity(len);
        while out.len() < len {
            let at = offset + out.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut out), at) {
                Ok(0) => {
                    return Err(EngineError::Truncated {
                        place: self.place(offset),
                    });
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(EngineError::io("read", self.place(offset), e.into())),
            }
        }
        out.truncate(len); // the allocator may give more room than was asked for
        Ok(out)
    }

    /// Reads `len` bytes if that needs no waiting; `None` if it might.
    pub(super) fn read_cached(
        &self,
        offset: u64,
        len: usize,
    ) -> Option<Result<Vec<u8>, EngineError>> {
        match self.cached.load(Ordering::Relaxed) {
            cached::PLAIN => return Some(self.read_exact_at(offset, len)),
            cached::NEVER => return None,
            _ => {}
        }
        // preadv2 takes initialised memory; the zeros cost about 100 ns for 8 KiB.
        let mut out = vec![0; len];
        match rustix::io::preadv2(
            &self.file,
            &mut [IoSliceMut::new(&mut out)],
            offset,
            ReadWriteFlags::NOWAIT,
        ) {
            Ok(n) if n == len => Some(Ok(out)),
            // A part is cached, or the file ends here: the blocking read finds out which.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => None,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                let mode = if self.in_memory() {
                    cached::PLAIN
                } else {
                    cached::NEVER
                };
                self.cached.store(mode, Ordering::Relaxed);
                (mode == cached::PLAIN).then(|| self.read_exact_at(offset, len))
            }
            Err(e) => Some(Err(EngineError::io("read", self.place(offset), e.into()))),
        }
    }

    /// Whether the file lies on tmpfs or ramfs, where a plain read never waits.
    #[allow(clippy::unnecessary_cast)] // the type differs between platforms
    fn in_memory(&self) -> bool {
        const TMPFS: i64 = 0x0102_1994;
        const RAMFS: i64 = 0x8584_58f6;
        rustix::fs::fstatfs(&self.file).is_ok_and(|s| matches!(s.f_type as i64, TMPFS | RAMFS))
    }

    /// Makes the next sync count as failed, as a dying device would.
    #[cfg(test)]
    pub(super) fn fail_sync(&self) {
        self.failed.get_or_init(|| Arc::new(Errno::IO.into()));
    }
}
