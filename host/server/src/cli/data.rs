//! Data on the command line: JSON as it stands, or `@FILE`, or `-` for standard input.

use std::io::{Read, stdin};

use anyhow::Result;

use super::failure::Usage;

/// The bytes that `--data` means; nothing without it.
pub fn read(data: Option<&str>) -> Result<Vec<u8>> {
    match data {
        None => Ok(Vec::new()),
        Some("-") => {
            let mut bytes = Vec::new();
            stdin().read_to_end(&mut bytes)?;
            Ok(bytes)
        }
        Some(text) => match text.strip_prefix('@') {
            Some(file) => std::fs::read(file).map_err(|error| Usage(format!("cannot read {file}: {error}")).into()),
            None => Ok(text.as_bytes().to_vec()),
        },
    }
}
