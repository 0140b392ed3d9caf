//! Promises of this room about any bytes: see `crate::fuzzing`.

use super::cursor::{Cursor, cursor_text, parse_cursor};
pub use super::events::fuzzing::lines;

/// A cursor: what is read is written so that the same is read again.
pub fn cursor(text: &str) {
    let Ok(cursor) = parse_cursor(text) else { return };
    let written = match cursor {
        Cursor::Bare(position) => position.to_string(),
        Cursor::Of { generation, position, shown: None } => cursor_text(generation, position),
        Cursor::Of { generation, position, shown: Some(shown) } => {
            format!("{}.{}", cursor_text(generation, position), cursor_text(shown.generation, shown.from))
        }
    };
    assert_eq!(parse_cursor(&written), Ok(cursor), "{text}");
}
