//! Cursors as clients see them: `GENERATION.POSITION`, to be handed back and not looked into. A bare
//! number means a position in the generation that is read.

use retold_engine::model::Position;

/// The log's generation. A promotion will begin the next one.
pub const GENERATION: u64 = 1;

/// Writes a cursor as text.
pub fn write_cursor(out: &mut Vec<u8>, position: Position) {
    super::json::write_number(out, GENERATION);
    out.push(b'.');
    super::json::write_number(out, position.0);
}

pub fn cursor_text(position: Position) -> String {
    format!("{GENERATION}.{position}")
}

/// Reads a cursor or a bare position. The error says what to do.
pub fn parse_cursor(text: &str) -> Result<Position, String> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let shape = || format!("is {text:?}: use a position such as 42, or a cursor that this host gave, such as {GENERATION}.42");
    match text.split_once('.') {
        None => number(text).map(Position).ok_or_else(shape),
        Some((generation, position)) => match (number(generation), number(position)) {
            (Some(GENERATION), Some(position)) => Ok(Position(position)),
            (Some(other), Some(_)) => {
                Err(format!("is of generation {other}, and this log is of generation {GENERATION}: begin again from position 0"))
            }
            _ => Err(shape()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_bare_number_is_one() {
        for position in [0, 1, 42, u64::MAX] {
            assert_eq!(parse_cursor(&cursor_text(Position(position))), Ok(Position(position)));
            assert_eq!(parse_cursor(&position.to_string()), Ok(Position(position)));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused_with_the_remedy() {
        for text in ["", "x", "-1", "+1", "1.", ".1", "1.2.3", "1.-2", " 1", "18446744073709551616"] {
            assert!(parse_cursor(text).is_err_and(|what| what.contains("use a position")), "{text}");
        }
        assert!(parse_cursor("2.7").is_err_and(|what| what.contains("generation 2")));
    }
}
