//! What a process's files take, and what it has moved. Linux only, where `/proc` says it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A counter of this process in `/proc/self/io`, such as `wchar`. 0 where the system does not count.
pub fn counter(name: &str) -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let value = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(':')?
            .trim()
            .parse()
            .ok()
    };
    io.lines().find_map(value).unwrap_or(0)
}

/// Bytes of the device that files take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// All of them.
    pub all: u64,
    /// Those that are a log.
    pub log: u64,
}

/// What the files below `dir` take; their names tell which are a log. What vanishes meanwhile takes nothing.
///
/// # Errors
/// Those of the disk.
pub fn taken(dir: &Path, is_log: &dyn Fn(&str) -> bool) -> io::Result<Taken> {
    let mut taken = Taken::default();
    add(dir, is_log, &mut taken)?;
    Ok(taken)
}

fn add(dir: &Path, is_log: &dyn Fn(&str) -> bool, taken: &mut Taken) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => add(&entry.path(), is_log, taken)?,
            Ok(found) => {
                let bytes = found.blocks() * 512;
                taken.all += bytes;
                if is_log(&entry.file_name().to_string_lossy()) {
                    taken.log += bytes;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn files_of_all_depths_count_with_their_blocks() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("below")).unwrap();
        let taken = || taken(dir.path(), &|file| file == "b").unwrap();
        assert_eq!(taken(), Taken::default());
        for file in ["a", "below/b"] {
            std::fs::write(dir.path().join(file), vec![7; 10_000]).unwrap();
        }
        // Long, but without blocks.
        let sparse = std::fs::File::create(dir.path().join("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        let Taken { all, log } = taken();
        assert!((20_000..65_536).contains(&all), "{all}");
        assert_eq!(log, all / 2);
        assert_eq!(counter("no such counter"), 0);
    }
}
