//! `Passed`: records that a reader came by, for another one on the same way.

use std::sync::Arc;

use crate::model::{Position, Record};

/// What is kept of them: who comes after reads the others itself.
const BYTES_MAX: usize = 24 << 20;

/// Records in order of position, each as whole as it was read.
#[derive(Debug, Default)]
pub struct Passed {
    records: Vec<Arc<Record>>,
    /// Bytes that may still be added.
    room: usize,
}

impl Passed {
    /// One that keeps what is passed; one by default keeps nothing.
    pub fn keeping() -> Passed {
        Passed { records: Vec::new(), room: BYTES_MAX }
    }

    /// The record that holds this position.
    pub(super) fn at(&self, position: Position) -> Option<&Arc<Record>> {
        let index = self.records.partition_point(|record| record.last() < position);
        self.records.get(index).filter(|record| record.first <= position)
    }

    pub(super) fn note(&mut self, record: &Arc<Record>) {
        let is_next = record.count > 0 && self.records.last().is_none_or(|last| last.last() < record.first);
        if !is_next {
            return;
        }
        match self.room.checked_sub(record.bytes().len()) {
            Some(room) => {
                self.room = room;
                self.records.push(record.clone());
            }
            None => self.room = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Batch;
    use super::super::scan::{Filter, Portion, Take};
    use super::super::snapshot::Snapshot;
    use super::super::story::{STORY, tell};
    use super::*;
    use crate::model::TypePattern;

    fn read(snapshot: &Snapshot, after: u64, filter: &Filter, events: usize, passed: &mut Passed) -> (Vec<Position>, Position) {
        let portion = Portion { events, bytes: usize::MAX };
        let all = &mut |_: &Record, _: &crate::model::Glance<'_>| Take::Marked(0);
        let (batch, seen): (Batch, _) =
            snapshot.collect_marked(Position(after), snapshot.head(), filter, portion, passed, all).expect("nothing fails in memory");
        (batch.events().iter().map(|event| event.position).collect(), seen)
    }

    #[test]
    fn who_comes_after_reads_the_same_from_what_was_passed_and_from_behind_it() {
        let wanted = Filter::types([TypePattern::Exact("t/0".into()), TypePattern::Exact("t/1".into())]);
        for seal in [0, 1, 4, 7] {
            let (store, _) = tell(STORY.len(), seal);
            let snapshot = store.reader().snapshot().expect("a snapshot");
            for (from, events) in [(0, 3), (0, usize::MAX), (4, 1), (9, 6)] {
                let mut passed = Passed::keeping();
                let first = read(&snapshot, from, &wanted, events, &mut passed);
                assert_eq!(first, read(&snapshot, from, &wanted, events, &mut Passed::default()));
                for after in 0..=snapshot.head().0 {
                    let alone = read(&snapshot, after, &Filter::default(), usize::MAX, &mut Passed::default());
                    assert_eq!(read(&snapshot, after, &Filter::default(), usize::MAX, &mut passed), alone, "{seal} {from} {after}");
                }
            }
        }
    }

    #[test]
    fn what_is_passed_in_segments_is_at_hand_up_to_so_many_bytes() {
        let (store, _) = tell(STORY.len(), 1);
        let snapshot = store.reader().snapshot().expect("a snapshot");
        let at_hand = |passed: &Passed| (1..=snapshot.head().0).filter(|position| passed.at(Position(*position)).is_some()).count() as u64;
        let of = |mut passed: Passed| {
            read(&snapshot, 0, &Filter::default(), usize::MAX, &mut passed);
            at_hand(&passed)
        };
        assert_eq!(of(Passed::keeping()), snapshot.head().0);
        assert_eq!(of(Passed::default()), 0);
        let few = of(Passed { room: 600, ..Passed::default() });
        assert!(0 < few && few < snapshot.head().0, "{few}");
    }
}
