//! Names that nobody else has.

use anyhow::{Result, anyhow};

/// Eight hexadecimal digits.
pub fn digits() -> Result<String> {
    let mut random = [0u8; 4];
    getrandom::fill(&mut random).map_err(|error| anyhow!("this machine gives no randomness: {error}"))?;
    Ok(format!("{:08x}", u32::from_ne_bytes(random)))
}
