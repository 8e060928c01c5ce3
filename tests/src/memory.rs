//! What lies in the memory of another process: its writable pages, searched for bytes that must not be there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memmem::Finder;

/// Bytes to be looked for, and what they are.
pub struct Needle {
    /// For messages: `table key`.
    pub what: &'static str,
    finder: Finder<'static>,
}

impl Needle {
    /// A needle of these bytes.
    ///
    /// # Panics
    /// It is so short that it may stand somewhere by chance.
    pub fn new(what: &'static str, bytes: &[u8]) -> Needle {
        assert!(bytes.len() >= 12, "{what} may stand somewhere by chance");
        let finder = Finder::new(bytes).into_owned();
        Needle { what, finder }
    }
}

/// How often each kind of needle was found, and in which mappings.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found(pub BTreeMap<&'static str, BTreeMap<String, usize>>);

impl Found {
    /// How often needles of this kind were found.
    pub fn count(&self, what: &str) -> usize {
        self.0.get(what).map_or(0, |places| places.values().sum())
    }

    /// In which kinds of mappings.
    pub fn places(&self, what: &str) -> Vec<&str> {
        let places = self.0.get(what).into_iter().flatten();
        places.map(|(place, _)| place.as_str()).collect()
    }
}

/// Bytes read at once.
const CHUNK: u64 = 4 << 20;

/// Searches all writable memory of a process, its stacks included. `Err` where this process may not look.
///
/// # Errors
/// No permission, or no such process.
pub fn search(pid: u32, needles: &[Needle]) -> io::Result<Found> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut found = Found::default();
    let longest = needles.iter().map(|needle| needle.finder.needle().len());
    let overlap = longest.max().unwrap_or(0) as u64;
    let mut buffer = vec![0; (CHUNK + overlap) as usize];
    for Mapping { from, to, name } in mappings(pid)? {
        let mut at = from;
        while at < to {
            let len = (to - at).min(CHUNK + overlap);
            let bytes = &mut buffer[..len as usize];
            // What has been unmapped meanwhile holds nothing.
            let whole = memory.read_exact_at(bytes, at).is_ok();
            for needle in needles.iter().filter(|_| whole) {
                // One that begins in the overlap is found in the next piece.
                let hits = needle.finder.find_iter(bytes);
                let hits = hits.filter(|hit| (*hit as u64) < CHUNK).count();
                if hits > 0 {
                    let places = found.0.entry(needle.what).or_default();
                    *places.entry(name.clone()).or_default() += hits;
                }
            }
            at += CHUNK;
        }
    }
    Ok(found)
}

struct Mapping {
    from: u64,
    to: u64,
    /// `locked` for pages that are locked and left out of core dumps; else as the system names it.
    name: String,
}

/// The writable mappings of a process.
fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut writable = false;
    for line in std::fs::read_to_string(format!("/proc/{pid}/smaps"))?.lines() {
        let mut words = line.split_whitespace();
        let range = words.next().and_then(|range| range.split_once('-'));
        let range = range.map(|(from, to)| [from, to].map(|end| u64::from_str_radix(end, 16)));
        if let Some([Ok(from), Ok(to)]) = range {
            writable = words.next().is_some_and(|rights| rights.starts_with("rw"));
            let name = words.nth(3).unwrap_or("anonymous").to_owned();
            if writable {
                mappings.push(Mapping { from, to, name });
            }
        } else if let (Some(flags), true) = (line.strip_prefix("VmFlags:"), writable)
            && let Some(mapping) = mappings.last_mut()
        {
            let has = |wanted| flags.split_whitespace().any(|flag| flag == wanted);
            if has("lo") && has("dd") {
                mapping.name = "locked".to_owned();
            }
        }
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_is_there_and_nothing_else() {
        let text = "SecretaryBird-in-the-environment";
        let needles = [Needle::new("text", text.as_bytes())];
        let count = |environment: &str| {
            let mut child = std::process::Command::new("sleep")
                .arg("60")
                .env("ANIMAL", environment)
                .spawn()
                .unwrap();
            let found = search(child.id(), &needles);
            child.kill().unwrap();
            child.wait().unwrap();
            found.unwrap()
        };
        assert_eq!(count(text).places("text"), ["[stack]"]);
        assert_eq!(count("another").count("text"), 0);
    }
}
