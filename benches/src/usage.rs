//! What a process takes of the machine: processor, memory, device. Linux only, where its files under `/proc` say it.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use rustix::time::{ClockId, clock_gettime};
use sealdb_bench_driver::disk;

use crate::store::Failure;

/// Processor time of the threads that only keep a core busy: it is nobody's work.
static IDLING: AtomicU64 = AtomicU64::new(0);

/// Processor time of this process so far, user and system, without what [`idled`] took.
pub fn cpu() -> Duration {
    let used = clock(ClockId::ProcessCPUTime);
    used.saturating_sub(Duration::from_nanos(IDLING.load(Ordering::Relaxed)))
}

/// Takes the calling thread's processor time since `from` out of [`cpu`]; the answer is where to go on from.
pub fn idled(from: Duration) -> Duration {
    let now = clock(ClockId::ThreadCPUTime);
    let nanos = now.saturating_sub(from).as_nanos();
    IDLING.fetch_add(u64::try_from(nanos).unwrap_or(0), Ordering::Relaxed);
    now
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Processor time of another process, user and system, in steps of 10 ms.
///
/// # Errors
/// There is no such process.
pub fn cpu_of(pid: u32) -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&stat)
        .map(|ticks| Duration::from_millis(ticks * 10))
        .ok_or_else(|| "/proc/PID/stat is not what it was".into())
}

/// Fields 14 and 15 together, in hundredths of a second. The name before them may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// Resident memory of a process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// At this moment.
    pub now: u64,
    /// The most since the process began, or since [`reset_peak`].
    pub peak: u64,
}

/// Resident memory of this process, or another.
///
/// # Errors
/// There is no such process.
pub fn memory(pid: Option<u32>) -> Result<Memory, Failure> {
    let status = std::fs::read_to_string(proc(pid, "status"))?;
    let field = |name| number_after(&status, name).map(|kib| kib * 1024);
    match (field("VmRSS:"), field("VmHWM:")) {
        (Some(now), Some(peak)) => Ok(Memory { now, peak }),
        _ => Err("/proc/PID/status does not tell the memory".into()),
    }
}

/// Forgets the peak of this process's memory.
///
/// # Errors
/// The system does not allow it.
pub fn reset_peak() -> Result<(), Failure> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

/// Bytes that this process made the system read from a device, so far. 0 where the system does not count.
pub fn read_from_device() -> u64 {
    disk::counter("read_bytes")
}

fn proc(pid: Option<u32>, file: &str) -> String {
    match pid {
        Some(pid) => format!("/proc/{pid}/{file}"),
        None => format!("/proc/self/{file}"),
    }
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Drops what the system has cached of the files in a directory. What was not synced yet stays, and so does what the host of a
/// virtual machine caches.
///
/// # Errors
/// Those of the disk.
pub fn forget(dir: &Path) -> Result<(), Failure> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() {
            fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a) S 1"), None);
        assert_eq!(number_after("VmHWM:\t 12 kB\n", "VmHWM:"), Some(12));
        let now = memory(None).expect("this process is there");
        assert!(now.peak >= now.now && now.now > 1 << 20);
    }

    #[test]
    fn work_counts_and_idling_does_not() {
        let before = cpu();
        let from = idled(clock(ClockId::ThreadCPUTime));
        let start = clock(ClockId::ThreadCPUTime);
        while clock(ClockId::ThreadCPUTime) < start + Duration::from_millis(30) {}
        assert!(cpu() - before >= Duration::from_millis(30));
        idled(from);
        // Other tests of this process work meanwhile, but this thread's part is out.
        assert!(IDLING.load(Ordering::Relaxed) >= 30_000_000);
    }
}
