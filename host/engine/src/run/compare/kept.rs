//! A comparison, written down.

use super::comparison::{Comparison, Firsts, Tally};
use super::waiting::{Entry, Waiting};
use crate::model::{ByteReader, ByteWriter, Malformed, Position};

/// Format 1 had each early place by itself.
const FORMAT: u8 = 2;

impl Comparison {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        [self.old.0, self.new.0, self.track].into_iter().for_each(|number| out.u64(number));
        out.u8(u8::from(self.gave_up_new));
        let ranges = self.early.ranges();
        numbers(&mut out, 2 * ranges.len(), ranges.flat_map(|(first, last)| [first, last]));
        out.varint(self.tallies.len() as u64);
        for Tally { equal, different, new, gone, waiting } in &self.tallies {
            [equal, different, new, gone, waiting].into_iter().for_each(|number| out.varint(*number));
        }
        out.varint(self.owners.len() as u64);
        for (function, owner) in &self.owners {
            out.text(function);
            out.u32(*owner);
        }
        for Firsts { different, new, gone } in &self.firsts {
            numbers(&mut out, 2 * different.len(), different.iter().flat_map(|(new, old)| [*new, *old]));
            numbers(&mut out, new.len(), new.iter().copied());
            numbers(&mut out, gone.len(), gone.iter().copied());
        }
        for waiting in [&self.waiting_old, &self.waiting_new] {
            out.varint(waiting.iter().count() as u64);
            for (name, Entry { position, content, owner }) in waiting.iter() {
                out.raw(&name.to_le_bytes());
                out.raw(&content.to_le_bytes());
                out.varint(position);
                out.varint(u64::from(owner));
            }
        }
        out.bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Comparison, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let reader = &mut reader;
        let format = reader.u8("comparison format")?;
        if !(1..=FORMAT).contains(&format) {
            return Err(Malformed { what: "comparison format", at: 0 });
        }
        let mut read = Comparison {
            old: Position(reader.u64("old")?),
            new: Position(reader.u64("new")?),
            track: reader.u64("track")?,
            gave_up_new: reader.u8("gave up")? != 0,
            ..Comparison::default()
        };
        let early = read_numbers(reader)?;
        match format {
            1 => early.into_iter().for_each(|place| read.early.insert(place)),
            _ => early.chunks_exact(2).for_each(|range| read.early.insert_range(range[0], range[1])),
        }
        for _ in 0..reader.length("tallies")? {
            let mut number = || reader.varint("tally");
            let (equal, different, new) = (number()?, number()?, number()?);
            read.tallies.push(Tally { equal, different, new, gone: number()?, waiting: number()? });
        }
        let known = |owner: u32| if (owner as usize) < read.tallies.len() { Ok(owner) } else { Err(Malformed { what: "owner", at: 0 }) };
        for _ in 0..reader.length("owners")? {
            let function = reader.text("function")?.to_owned();
            read.owners.insert(function, known(reader.u32("owner")?)?);
        }
        for firsts in &mut read.firsts {
            firsts.different = read_numbers(reader)?.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            firsts.new = read_numbers(reader)?.into_iter().collect();
            firsts.gone = read_numbers(reader)?.into_iter().collect();
        }
        for waiting in [&mut read.waiting_old, &mut read.waiting_new] {
            *waiting = Waiting::default();
            for _ in 0..reader.length("waiting")? {
                let (name, content) = (wide(reader)?, wide(reader)?);
                let position = reader.varint("position")?;
                waiting.insert(name, Entry { position, content, owner: known(reader.varint("owner")? as u32)? });
            }
        }
        Ok(read)
    }
}

fn numbers(out: &mut ByteWriter, count: usize, numbers: impl Iterator<Item = u64>) {
    out.varint(count as u64);
    numbers.for_each(|number| out.varint(number));
}

fn read_numbers(reader: &mut ByteReader<'_>) -> Result<Vec<u64>, Malformed> {
    let count = reader.length("numbers")?;
    (0..count).map(|_| reader.varint("number")).collect()
}

fn wide(reader: &mut ByteReader<'_>) -> Result<u128, Malformed> {
    let at = reader.position();
    Ok(u128::from_le_bytes(reader.raw(16, "fingerprint")?.try_into().map_err(|_| Malformed { what: "fingerprint", at })?))
}
