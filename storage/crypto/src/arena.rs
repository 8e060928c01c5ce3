//! The arena: where secret keys lie, in a few pages that hold nothing else.
//!
//! Guaranteed, where the system grants it: these pages are locked, so no key reaches swap, and left out of core dumps. One lock covers 512
//! keys, so a thousand tables under a rekey take 64 KiB of `RLIMIT_MEMLOCK`, and not a page each. What leaves the arena is wiped.
//!
//! Where the system refuses (no memory may be locked, for example) keys lie in ordinary pages, and a warning says so once: a database
//! that does not open would protect nobody's keys better.
//!
//! Not here: expanded key schedules (in ordinary memory, wiped when they are dropped), passphrases, and whatever else is secret for a moment
//! only.
//!
//! The arena is of the process and not of a database, as its memory is. It grows and never shrinks: places are used again.

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;
use parking_lot::Mutex;
use zeroize::Zeroize;

/// Bytes of a secret.
const LEN: usize = 32;
/// How much it grows by: four pages where pages have 4 KiB.
const CHUNK: usize = 16 << 10;

static ARENA: Mutex<Arena> = Mutex::new(Arena {
    free: Vec::new(),
    warned: false,
});

struct Arena {
    /// Places without a secret, all zero.
    free: Vec<&'static mut [u8; LEN]>,
    warned: bool,
}

/// A place for one secret, zero at first and wiped at last.
pub(crate) struct Place(Option<&'static mut [u8; LEN]>);

impl Place {
    /// Takes a place.
    pub(crate) fn take() -> Self {
        let mut arena = ARENA.lock();
        if arena.free.is_empty() {
            arena.grow();
        }
        Self(arena.free.pop())
    }

    pub(crate) fn bytes(&self) -> &[u8; LEN] {
        self.0.as_deref().expect(HAS_PLACE)
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; LEN] {
        self.0.as_deref_mut().expect(HAS_PLACE)
    }
}

const HAS_PLACE: &str = "a place is given back by its drop only, and growing gives at least one";

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(bytes) = self.0.take() {
            bytes.zeroize();
            ARENA.lock().free.push(bytes);
        }
    }
}

impl Arena {
    fn grow(&mut self) {
        let chunk: &'static mut [u8] = match protected_chunk() {
            Ok((chunk, None)) => chunk,
            Ok((chunk, Some(refusal))) => {
                self.warn(&refusal);
                chunk
            }
            Err(error) => {
                self.warn(&error);
                Box::leak(vec![0; CHUNK].into_boxed_slice())
            }
        };
        let (places, _) = chunk.as_chunks_mut();
        self.free.extend(places);
    }

    fn warn(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                %error,
                "memory for keys could not be locked and kept out of core dumps; raise the limit of locked memory (RLIMIT_MEMLOCK)"
            );
        }
    }
}

/// Fresh pages, and what was refused of their protection.
fn protected_chunk() -> std::io::Result<(&'static mut [u8], Option<std::io::Error>)> {
    let pages = Box::leak(Box::new(MmapMut::map_anon(CHUNK)?));
    let locked = pages.lock();
    #[cfg(target_os = "linux")]
    let locked = locked.and(pages.advise(Advice::DontDump));
    Ok((&mut **pages, locked.err()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_zero_apart_from_each_other_and_used_again() {
        let mut places: Vec<Place> = (0..3 * CHUNK / LEN).map(|_| Place::take()).collect();
        for (i, place) in places.iter_mut().enumerate() {
            assert_eq!(place.bytes(), &[0; LEN]);
            place.bytes_mut()[..8].copy_from_slice(&i.to_le_bytes());
        }
        for (i, place) in places.iter().enumerate() {
            assert_eq!(place.bytes()[..8], i.to_le_bytes());
        }
        drop(places);
        assert_eq!(Place::take().bytes(), &[0; LEN]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn its_pages_are_locked_and_left_out_of_core_dumps() {
        let place = Place::take();
        let at = place.bytes().as_ptr() as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line
                .split(' ')
                .next()
                .and_then(|range| range.split_once('-'));
            let range =
                range.map(|(from, to)| [from, to].map(|end| usize::from_str_radix(end, 16)));
            if let Some([Ok(from), Ok(to)]) = range {
                inside = (from..to).contains(&at);
            }
            if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
                let flags: Vec<&str> = flags.split_whitespace().collect();
                assert!(flags.contains(&"lo") && flags.contains(&"dd"), "{flags:?}");
                return;
            }
        }
        panic!("no mapping holds {at:x}");
    }
}
