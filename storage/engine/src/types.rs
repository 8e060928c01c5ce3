//! Addresses, numbers and counters that the engine's contract speaks of.

/// Bytes in one unit: the grain of page places, log offsets and root slots.
pub const UNIT: u32 = 4096;

/// The longest block that [`allocate`](crate::Engine::allocate) places: 64 MiB. Pages and values are far shorter; the
/// allocation map of a very large page file is not (64 MiB hold one of 32 TiB in the best case and 2 TiB in the worst).
pub const MAX_PAGE_LEN: u32 = 64 << 20;

/// The longest root record, in bytes.
pub const ROOT_MAX: usize = 32 * 1024;

/// Where a block lies in the pages. Opaque to the caller: an engine may number places as it likes.
///
/// The engines of this crate count units of [`UNIT`] bytes from the start of the page file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageAddr(pub u64);

/// A set of places that can be dropped as a whole without reading it. One per tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceId(pub u64);

/// The number of a log segment. Kept when the segment is recycled: it names the place, not the use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNo(pub u32);

/// A place to give back: the block of `len` bytes at `addr` that was allocated in `space`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Freed {
    /// The space that the block was allocated in.
    pub space: SpaceId,
    /// Its place.
    pub addr: PageAddr,
    /// Its length in bytes, as given to `allocate`.
    pub len: u32,
}

/// What an engine has done since it was opened, and how large it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Bytes written to pages, padding to whole units included; zeroed places count too.
    pub page_bytes_written: u64,
    /// Writes to the page file: one per run of adjacent pages.
    pub page_writes: u64,
    /// Bytes written to log segments, without the zeros that a new one is filled with.
    pub log_bytes_written: u64,
    /// Calls of `log_write` that wrote.
    pub log_writes: u64,
    /// Bytes of zeros written to make or wipe log segments.
    pub log_bytes_zeroed: u64,
    /// Roots installed.
    pub root_writes: u64,
    /// Syncs of pages, roots, segments and the directory.
    pub syncs: u64,
    /// Page reads answered from memory or the operating system's cache.
    pub reads_cached: u64,
    /// Page reads that had to go through a blocking read.
    pub reads_device: u64,
    /// Length of the page file in bytes.
    pub page_file_len: u64,
    /// Units that some block occupies.
    pub used_units: u64,
    /// Units below the end of the page area that nobody occupies.
    pub free_units: u64,
    /// Capacity of all log segments together, in use or not.
    pub log_segment_bytes: u64,
    /// Log segments that are in use.
    pub log_segments_in_use: u32,
    /// Times that a released segment was used again instead of a new one being made.
    pub log_segments_recycled: u64,
    /// Calls of `free` for a place that was not allocated in that space. Always 0 unless the caller has a bug.
    pub rejected_frees: u64,
}
