//! Cursors as clients see them: `GENERATION.POSITION`, to be handed back and not looked into. A bare
//! number means a position in the generation that is read.
//!
//! A reader that comes from an earlier generation is first shown what it can't have seen of this one. As
//! long as that lasts its cursor is `GENERATION.POSITION.SHOWN.FROM`: where it was in the earlier one,
//! and how far it was shown of generation SHOWN. If another generation has come meanwhile the second half
//! means nothing any more, and it is shown all of it: an event may come again, none is left out.

use retold_engine::model::Position;

use super::json::write_number;
use super::problem::Problem;
use crate::drive::{DriveError, Namespace, Resume};

/// A cursor that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// A bare number.
    Bare(Position),
    Of {
        generation: u64,
        position: Position,
        shown: Option<Shown>,
    },
}

/// How far a reader from an earlier generation was shown what it had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub generation: u64,
    pub from: Position,
}

/// Where a reader stands in the log that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Everything up to here was looked at.
    Here(Position),
    /// It saw an earlier generation up to `position`, and of what that one lacked all up to `from`.
    Earlier { generation: u64, position: Position, from: Position },
}

/// What a log knows of its generations.
pub trait Lineage {
    fn generation(&self) -> u64;
    fn mapped(&self, generation: u64, position: Position) -> Result<Position, DriveError>;
    fn resume(&self, generation: u64, position: Position, from: Position, limit: usize) -> Result<Resume, DriveError>;
}

impl Lineage for Namespace {
    fn generation(&self) -> u64 {
        Namespace::generation(self)
    }

    fn mapped(&self, generation: u64, position: Position) -> Result<Position, DriveError> {
        Namespace::mapped(self, generation, position)
    }

    fn resume(&self, generation: u64, position: Position, from: Position, limit: usize) -> Result<Resume, DriveError> {
        Namespace::resume(self, generation, position, from, limit)
    }
}

/// Writes the cursor of a position in this generation.
pub fn write_cursor(out: &mut Vec<u8>, generation: u64, position: Position) {
    write_number(out, generation);
    out.push(b'.');
    write_number(out, position.0);
}

pub fn cursor_text(generation: u64, position: Position) -> String {
    format!("{generation}.{position}")
}

/// Writes where a reader of generation `here` stands.
pub fn write_place(out: &mut Vec<u8>, here: u64, place: Place) {
    match place {
        Place::Here(position) => write_cursor(out, here, position),
        Place::Earlier { generation, position, from } => {
            write_cursor(out, generation, position);
            out.push(b'.');
            write_cursor(out, here, from);
        }
    }
}

/// Reads a cursor or a bare position. The error says what to do.
pub fn parse_cursor(text: &str) -> Result<Cursor, String> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let numbers: Option<Vec<u64>> = text.split('.').map(number).collect();
    match numbers.as_deref() {
        Some([position]) => Ok(Cursor::Bare(Position(*position))),
        Some([generation @ 1..=u64::MAX, position]) => {
            Ok(Cursor::Of { generation: *generation, position: Position(*position), shown: None })
        }
        Some([generation @ 1..=u64::MAX, position, shown, from]) if shown > generation => Ok(Cursor::Of {
            generation: *generation,
            position: Position(*position),
            shown: Some(Shown { generation: *shown, from: Position(*from) }),
        }),
        _ => Err(format!("is {text:?}: use a position such as 42, or a cursor that this host gave, such as 1.42")),
    }
}

impl Cursor {
    /// Where a reader goes on.
    pub fn place(self, name: &str, lineage: &impl Lineage) -> Result<Place, Problem> {
        let here = lineage.generation();
        match self {
            Cursor::Bare(position) => Ok(Place::Here(position)),
            Cursor::Of { generation, position, shown } => {
                not_later(name, shown.map_or(generation, |shown| shown.generation), here)?;
                if generation == here {
                    return Ok(Place::Here(position));
                }
                let from = shown.filter(|shown| shown.generation == here).map_or(Position::START, |shown| shown.from);
                Ok(Place::Earlier { generation, position, from })
            }
        }
    }

    /// One position of this generation, for conditions and their like: never too high.
    pub fn position(self, name: &str, lineage: &impl Lineage) -> Result<Position, Problem> {
        match self.place(name, lineage)? {
            Place::Here(position) => Ok(position),
            Place::Earlier { generation, position, .. } => Ok(lineage.mapped(generation, position)?),
        }
    }
}

fn not_later(name: &str, generation: u64, here: u64) -> Result<(), Problem> {
    if generation <= here {
        return Ok(());
    }
    let what = format!("is of generation {generation}, and this log is of generation {here}: it is another log's; begin at position 0");
    Err(Problem::parameter(name, what).with("generation", here))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A log of generation 3 whose earlier ones had every position ten times as high.
    pub struct Third;

    impl Lineage for Third {
        fn generation(&self) -> u64 {
            3
        }

        fn mapped(&self, _: u64, position: Position) -> Result<Position, DriveError> {
            Ok(Position(position.0 / 10))
        }

        /// Two of three positions up to the mapped one could not be seen.
        fn resume(&self, _: u64, position: Position, from: Position, limit: usize) -> Result<Resume, DriveError> {
            let after = Position(position.0 / 10);
            let unseen: Vec<Position> = (from.0 + 1..=after.0).filter(|at| at % 3 != 0).map(Position).collect();
            Ok(Resume { first: unseen.iter().copied().take(limit).collect(), more: unseen.len() > limit, after })
        }
    }

    fn place_text(place: Place) -> String {
        let mut out = Vec::new();
        write_place(&mut out, 3, place);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_cursor_comes_back_and_a_bare_number_is_one() {
        for position in [0, 1, 42, u64::MAX] {
            let cursor = Cursor::Of { generation: 3, position: Position(position), shown: None };
            assert_eq!(parse_cursor(&cursor_text(3, Position(position))), Ok(cursor));
            assert_eq!(parse_cursor(&position.to_string()), Ok(Cursor::Bare(Position(position))));
            assert_eq!(cursor.place("after", &Third).ok(), Some(Place::Here(Position(position))));
            assert_eq!(cursor.position("after", &Third).ok(), Some(Position(position)));
        }
    }

    #[test]
    fn a_reader_between_two_generations_gets_its_place_back_as_it_was() {
        for place in [
            Place::Here(Position(7)),
            Place::Earlier { generation: 1, position: Position(420), from: Position(17) },
            Place::Earlier { generation: 2, position: Position(420), from: Position(0) },
        ] {
            let cursor = parse_cursor(&place_text(place)).expect("a cursor");
            assert_eq!(cursor.place("after", &Third).ok(), Some(place));
        }
    }

    #[test]
    fn what_was_shown_of_a_generation_that_is_gone_is_shown_again() {
        let cursor = parse_cursor("1.420.2.17").expect("a cursor");
        let place = Place::Earlier { generation: 1, position: Position(420), from: Position(0) };
        assert_eq!(cursor.place("after", &Third).ok(), Some(place));
    }

    #[test]
    fn a_position_of_an_earlier_generation_is_mapped_for_a_condition() {
        for text in ["1.420", "2.420", "2.420.3.17"] {
            assert_eq!(
                parse_cursor(text).ok().and_then(|cursor| cursor.position("if-none-after", &Third).ok()),
                Some(Position(42)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused_with_the_remedy() {
        for text in ["", "x", "-1", "+1", "1.", ".1", "1.2.3", "1.2.1.3", "1.2.2.3.4", "0.7", "1.-2", " 1", "1..2", "18446744073709551616"]
        {
            assert!(parse_cursor(text).is_err_and(|what| what.contains("use a position")), "{text}");
        }
        for text in ["4.7", "1.7.4.2"] {
            let refused = parse_cursor(text).expect("a cursor").place("after", &Third);
            assert!(
                refused.is_err_and(|problem| problem.detail.contains("generation 4") && problem.detail.contains("position 0")),
                "{text}"
            );
        }
    }
}
