//! Standard output. A reader that goes away ends the verb, and quietly.

use std::io::{Write, stdout};

use anyhow::Result;
use serde_json::Value;

/// Prints text that ends its own lines.
pub fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints one JSON document on a line of its own.
pub fn print_json(value: &Value) -> Result<()> {
    print(&format!("{value}\n"))
}
