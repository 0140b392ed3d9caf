//! `Warm`: rows that lanes keep at hand from one portion to the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::overlay::Overlay;
use super::part::{Part, Portioned};

/// Rows that all lanes keep. A lane keeps all of its rows, or none.
const WARM_BYTES_MAX: usize = 32 << 20;

/// The rows of lanes, as they are in the file.
#[derive(Default)]
pub(super) struct Warm {
    /// So many lanes shared the events out: with another number of them rows are another lane's.
    of: usize,
    lanes: BTreeMap<Option<u32>, Overlay>,
}

impl Warm {
    /// What these lanes wrote is in the file now.
    pub fn keep(mut overlays: BTreeMap<Option<u32>, Overlay>) -> Warm {
        let of = overlays.len();
        let share = WARM_BYTES_MAX / of.max(2);
        overlays.retain(|_, overlay| overlay.bytes() <= share);
        overlays.values_mut().for_each(Overlay::written);
        Warm { of, lanes: overlays }
    }

    /// The parts of a portion that so many lanes share.
    pub fn parts(mut self, portioned: &Arc<Portioned>, lanes: usize) -> Vec<Part> {
        if self.of != lanes {
            self.lanes.clear();
        }
        let mut part = |lane: usize| {
            let lane = (lanes > 1).then_some(lane as u32);
            let overlay = Mutex::new(self.lanes.remove(&lane).unwrap_or_default());
            Part { portioned: portioned.clone(), lane, overlay }
        };
        (0..lanes).map(&mut part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, function};
    use super::*;
    use crate::model::Digest;
    use crate::store::Batch;

    fn lane(rows: usize, value: &[u8]) -> Overlay {
        let mut overlay = Overlay::default();
        overlay.begin();
        (0..rows).for_each(|row| overlay.write(&row.to_string(), Some(value)));
        overlay.keep();
        overlay
    }

    #[test]
    fn lanes_find_what_lanes_of_the_same_number_left_if_it_is_not_too_much() {
        let world = World::new(&[]);
        let (file, _) = world.store.reader().open_shadow("f", Digest::ZERO, 1 << 20).expect("a shadow in memory");
        let rows = file.snapshot().expect("a snapshot");
        let (manifest, batch) = (function("f", &["a"], &[]), Batch::default());
        let portioned = Arc::new(Portioned { manifest, batch, rows, judging: None, held: Default::default() });
        let kept = || Warm::keep([(Some(0), lane(2, b"x")), (Some(1), lane(12, &[0; 1 << 20])), (Some(2), lane(3, b"x"))].into());
        let begins_with = |warm: Warm, lanes| -> Vec<usize> {
            let parts = warm.parts(&portioned, lanes);
            parts.iter().map(|part| part.overlay.lock().expect("nobody has it").rows()).collect()
        };
        assert_eq!(begins_with(kept(), 3), [2, 0, 3]);
        assert_eq!(begins_with(kept(), 2), [0, 0], "their rows are other lanes' now");
        assert_eq!(begins_with(kept(), 1), [0]);
        assert!(kept().parts(&portioned, 3).iter().all(|part| !part.overlay.lock().expect("nobody has it").is_written()));
    }
}
