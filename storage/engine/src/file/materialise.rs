//! Writing an image out as a directory that the file engine opens.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use super::directory::{PAGES, log_name};
use crate::image::{Image, Sparse};
use crate::lock::ROOT;
use crate::{EngineError, UNIT};

impl Image {
    /// Makes a new directory with these bytes, as the file engine lays them out. Not synced: for tests.
    pub fn write_to_dir(&self, dir: impl AsRef<Path>) -> Result<(), EngineError> {
        let dir = dir.as_ref();
        let failed = |e| EngineError::io("create", dir.display().to_string(), e);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed)?;
        write_file(&dir.join(PAGES), &self.pages)?;
        write_file(&dir.join(ROOT), &self.root)?;
        for (no, log) in &self.logs {
            write_file(&dir.join(log_name(*no)), log)?;
        }
        Ok(())
    }
}

fn write_file(path: &Path, bytes: &Sparse) -> Result<(), EngineError> {
    let failed = |e| EngineError::io("write", path.display().to_string(), e);
    let open = || {
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    };
    let file = open().map_err(failed)?;
    file.set_len(bytes.len).map_err(failed)?;
    for (no, unit) in bytes.units() {
        file.write_all_at(unit, no * u64::from(UNIT))
            .map_err(failed)?;
    }
    Ok(())
}
