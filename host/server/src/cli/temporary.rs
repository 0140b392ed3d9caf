//! A folder for as long as it is needed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::random;

/// Removed with everything in it when dropped.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// `purpose` is part of its name, so that a person who finds one knows whose it was.
    pub fn create(purpose: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("retold-{purpose}-{}", random::digits()?));
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(TemporaryFolder(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What is left is in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
