//! What this crate promises of any bytes at all: nothing panics, no memory is asked for that the bytes don't
//! hold, and what is read can be written and is read again as it was. Each target is a function of bytes that
//! panics where a promise is broken: `fuzz/` searches for such bytes, and the tests below try those that it kept.

use crate::run::{FunctionReport, RetellPlan};
use crate::{model, store};

/// A target's name, which is that of its folder in `fuzz/corpus`; what it is; and how many changed inputs the test tries.
pub type Target = (&'static str, fn(&[u8]), u32);

pub const TARGETS: &[Target] = &[
    ("record", model::fuzzing::record, 20_000),
    ("processing", model::fuzzing::processing, 20_000),
    ("rows", rows, 20_000),
    ("stream", store::fuzzing::stream, 2_000),
    ("index", store::fuzzing::index, 20_000),
    ("backup", store::fuzzing::backup, 20_000),
];

/// Rows of tables. The first byte chooses which.
pub fn rows(bytes: &[u8]) {
    let Some((which, row)) = bytes.split_first() else { return };
    match which % 14 {
        0 => model::fuzzing::comes_back(row, RetellPlan::decode, RetellPlan::encode),
        1 => {
            let read = |row: &[u8]| FunctionReport::decode(&mut model::ByteReader::new(row));
            let written = |report: &FunctionReport| {
                let mut out = model::ByteWriter::default();
                report.encode(&mut out);
                out.bytes
            };
            model::fuzzing::comes_back(row, read, written);
        }
        which @ 2..=5 => model::fuzzing::row(which - 2, row),
        which => store::fuzzing::row(which - 6, row),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_promise_about_bytes_holds_for_the_inputs_that_were_kept_and_for_changed_ones() {
        for (target, promise, rounds) in super::TARGETS {
            retold_tests::inputs::hold(target, *promise, *rounds);
        }
    }
}
