//! Nothing grows without a bound, and every event is accounted for.

use std::collections::BTreeSet;

use retold_engine::model::Position;
use retold_engine::store::Folder;

use crate::model::{Model, Row};
use crate::world::{Host, World};

/// Segments that may lie beside each other once merging has nothing left to do: fewer than one run of each tier.
const SEGMENTS_MAX: usize = 16;
/// What a file of redb takes however little is in it, and how much more than the log itself all files may take.
const FILE_BYTES: usize = 4 << 20;
const TIMES_THE_LOG: usize = 16;

/// What was published is processed, pending, parked or skipped, and each event is so once.
pub fn check_accounts(name: &str, row: &Row, cursor: Position, head: Position) {
    if !row.is_handler() || row.rebuilding.is_some() {
        return;
    }
    let published = head.0 - row.start.0;
    let pending = head.0 - cursor.0;
    let dealt: BTreeSet<&Position> = row.applied.iter().chain(row.parked.keys()).chain(&row.skipped).collect();
    assert_eq!(dealt.len(), row.applied.len() + row.parked.len() + row.skipped.len(), "{name} dealt with an event in two ways");
    assert_eq!(published, dealt.len() as u64 + pending, "{name}: published, and what became of it");
}

impl World {
    /// With everything handled, sealed and merged: what is left on the disk and in memory is in proportion.
    pub fn check_bounds(&mut self, host: &mut Host) {
        host.written = [None, None];
        while let Some(work) = host.store.reader().housekeeping_due() {
            let sealed = host.store.reader().housekeep(work).expect("there is power");
            host.store.adopt(sealed).expect("there is power");
        }
        while host.store.delete_leftover_rows().expect("there is power") {}
        assert_eq!(host.store.reader().parts_to_seal(), 0);
        assert_eq!(host.waiting.left(), 0, "somebody waits, and everything is handled");
        let segments = host.store.reader().snapshot().expect("there is power").segments();
        assert!(segments <= SEGMENTS_MAX, "{segments} segments are left");
        let names = self.disk.list().expect("there is power");
        let of_segments = names.iter().filter(|name| name.starts_with("segment-") && name.ends_with(".redb")).count();
        assert!(of_segments <= segments + 1, "{of_segments} files of {segments} segments: {names:?}");
        let lengths: usize = names.iter().map(|name| self.disk.length(name)).sum();
        let most = names.len() * FILE_BYTES + TIMES_THE_LOG * log_bytes(&self.model);
        assert!(lengths <= most, "files of {lengths} bytes hold a log of {} bytes", log_bytes(&self.model));
    }
}

fn log_bytes(model: &Model) -> usize {
    model.log.iter().map(|event| event.data.len() + event.id.len() + event.subject.len() + 100).sum()
}
