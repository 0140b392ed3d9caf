//! Parked events that an operator means.

use super::{ByteReader, ByteWriter, Malformed, Position};

/// Which of a function's parked events are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichParked {
    All,
    /// Those of this subject.
    Subject(String),
    One(Position),
}

const ALL: u8 = 0;
const SUBJECT: u8 = 1;
const ONE: u8 = 2;

impl WhichParked {
    pub(super) fn encode(&self, out: &mut ByteWriter) {
        match self {
            WhichParked::All => out.u8(ALL),
            WhichParked::Subject(subject) => {
                out.u8(SUBJECT);
                out.text(subject);
            }
            WhichParked::One(position) => {
                out.u8(ONE);
                out.varint(position.0);
            }
        }
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Result<WhichParked, Malformed> {
        let at = reader.position();
        Ok(match reader.u8("which parked")? {
            ALL => WhichParked::All,
            SUBJECT => WhichParked::Subject(reader.text("subject")?.to_owned()),
            ONE => WhichParked::One(Position(reader.varint("position")?)),
            _ => return Err(Malformed { what: "which parked", at }),
        })
    }
}
