//! How far a replay is, as bytes that lie with its shadow: committed with the rows that it has made.

use super::recorded::Trail;
use super::replay::{Place, Replay};
use super::report::FunctionReport;
use crate::model::{ByteReader, ByteWriter, Malformed, Position};
use crate::store::Past;

/// Format 1 knew of no outputs but events.
const FORMAT: u8 = 2;

impl Replay {
    pub(super) fn progress(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMAT);
        out.u8(u8::from(self.options.compare));
        out.u64(self.options.from.0);
        out.u32(self.options.sample);
        out.u8(u8::from(self.options.collect_new));
        out.u8(u8::from(self.options.collect_sent));
        for position in [self.start, self.begun, self.place.tried] {
            out.u64(position.0);
        }
        out.u8(u8::from(self.stateful));
        out.u8(u8::from(self.trying));
        self.place.past.encode(&mut out);
        self.place.trail.encode(&mut out);
        self.report.encode(&mut out);
        out.bytes
    }

    /// Goes on from there. `false`: it is of a replay that was asked for something else.
    pub(super) fn resume(&mut self, progress: &[u8]) -> Result<bool, Malformed> {
        let mut reader = ByteReader::new(progress);
        if reader.u8("progress format")? != FORMAT {
            return Ok(false);
        }
        let (compare, from, sample) = (reader.u8("compare")? != 0, Position(reader.u64("from")?), reader.u32("sample")?);
        let asked = (compare, from, sample, reader.u8("collect")? != 0, reader.u8("collect")? != 0);
        let options = &self.options;
        if asked != (options.compare, options.from, options.sample, options.collect_new, options.collect_sent) {
            return Ok(false);
        }
        let mut position = || Ok::<_, Malformed>(Position(reader.u64("position")?));
        let (start, begun, tried) = (position()?, position()?, position()?);
        let (stateful, trying) = (reader.u8("stateful")? != 0, reader.u8("trying")? != 0);
        let (past, trail) = (Past::decode(&mut reader)?, Trail::decode(&mut reader)?);
        let report = FunctionReport::decode(&mut reader)?;
        if (report.function.as_str(), report.kind) != (self.report.function.as_str(), self.report.kind) {
            return Ok(false);
        }
        (self.start, self.begun, self.stateful, self.trying) = (start, begun, stateful, trying);
        (self.place, self.report) = (Place { past, trail, tried }, report);
        Ok(true)
    }
}
