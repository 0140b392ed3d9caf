//! What is kept of a function beside what is live: versions that ran, to go back to, and candidates
//! that are being made ready.

use super::function::FunctionRow;
use super::slots::Slots;
use crate::model::{ByteReader, ByteWriter, Digest, Malformed};

/// State of other code than the live one, or, for a view, that its file is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Identity of the code that made it.
    pub identity: Digest,
    /// Ordinal of the module version that ran; 0 while it is a candidate only.
    pub module: u32,
    /// Where its rows are; 0 for a view.
    pub slot: u32,
    /// What the log recorded of the function up to this commit is in it.
    pub through_commit: u64,
    /// Whether nothing is missing up to there.
    pub whole: bool,
}

impl Kept {
    pub fn is_candidate(&self) -> bool {
        self.module == 0
    }

    pub(super) fn encode(&self, out: &mut ByteWriter) {
        out.raw(&self.identity.0);
        out.u32(self.module);
        out.u32(self.slot);
        out.u64(self.through_commit);
        out.u8(u8::from(self.whole));
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Result<Kept, Malformed> {
        Ok(Kept {
            identity: Digest(reader.raw(32, "kept identity")?.try_into().unwrap_or([0; 32])),
            module: reader.u32("kept module")?,
            slot: reader.u32("kept slot")?,
            through_commit: reader.u64("kept commit")?,
            whole: reader.u8("kept whole")? != 0,
        })
    }
}

impl FunctionRow {
    /// What is kept of the code with this identity.
    pub fn kept(&self, identity: Digest) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.identity == identity)
    }

    pub(super) fn kept_mut(&mut self, identity: Digest) -> Option<&mut Kept> {
        self.kept.iter_mut().find(|kept| kept.identity == identity)
    }

    pub(super) fn take_kept(&mut self, identity: Digest) -> Option<Kept> {
        let at = self.kept.iter().position(|kept| kept.identity == identity)?;
        Some(self.kept.remove(at))
    }

    /// Keeps one more in the place of any of the same identity. The oldest of its kind beyond `most` go.
    pub(super) fn keep(&mut self, kept: Kept, most: usize, slots: &mut Slots) {
        let same_kind = |other: &Kept| other.is_candidate() == kept.is_candidate();
        self.drop_kept(slots, |other| other.identity == kept.identity);
        while self.kept.iter().filter(|other| same_kind(other)).count() >= most.max(1) {
            let oldest = self.kept.iter().position(same_kind).expect("there is at least one");
            slots.abandon(self.kept.remove(oldest).slot);
        }
        self.kept.push(kept);
    }

    pub(super) fn drop_kept(&mut self, slots: &mut Slots, which: impl Fn(&Kept) -> bool) {
        self.kept.extract_if(.., |kept| which(kept)).for_each(|kept| slots.abandon(kept.slot));
    }
}
