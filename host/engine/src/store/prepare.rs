//! Making the state of a function ready for other code, beside the state that is live. None of it is
//! recorded in the log: it is a cache of what the log says.

use super::function::FunctionRow;
use super::group::Group;
use super::kept::Kept;
use super::proposal::{Accepted, Prepare, PreparePart, Refused};
use crate::model::limits::CANDIDATES_KEPT;
use crate::model::{Digest, FunctionKind};

impl Group<'_> {
    pub(super) fn prepare(&mut self, prepare: Prepare) -> Result<Accepted, Refused> {
        let Prepare { function, identity, part } = prepare;
        let Some(row) = self.mirror.function(&function).cloned() else { return Err(Refused::UnknownFunction(function)) };
        let durable = self.view.commit;
        if let Err(why) = fits(&row, identity, &part, durable) {
            return Err(Refused::NotPrepared { function, why });
        }
        let slot = match &part {
            PreparePart::Begin => self.mirror.slots.fresh(),
            _ => row.kept(identity).map_or(0, |kept| kept.slot),
        };
        self.mirror.change_kept(&function, |row, slots| match &part {
            PreparePart::Begin => {
                row.keep(Kept { identity, module: 0, slot, through_commit: 0, whole: false }, CANDIDATES_KEPT, slots);
            }
            PreparePart::Rows(_) => {}
            PreparePart::Done { through_commit } | PreparePart::On { through_commit, .. } => {
                let kept = row.kept_mut(identity).expect("it fits");
                (kept.whole, kept.through_commit) = (true, *through_commit);
            }
            PreparePart::Drop => row.drop_kept(slots, |kept| kept.identity == identity),
        });
        if let PreparePart::Rows(writes) | PreparePart::On { writes, .. } = part {
            self.prepared.push((slot, writes));
        }
        Ok(Accepted::Prepared { slot })
    }
}

/// Whether a part of a preparation goes on from where the kept state stands. Commits up to `durable` are.
fn fits(row: &FunctionRow, identity: Digest, part: &PreparePart, durable: u64) -> Result<(), &'static str> {
    if row.manifest.kind != FunctionKind::Handler {
        return Err("only handlers keep their state here");
    }
    if row.identity == identity {
        return Err("this code is the one that runs");
    }
    let kept = row.kept(identity);
    match (part, kept) {
        (PreparePart::Begin, _) => Ok(()),
        (_, None) => Err("nothing is kept of this code: begin again"),
        (PreparePart::Drop, Some(_)) => Ok(()),
        (PreparePart::Rows(_) | PreparePart::Done { .. }, Some(kept)) if kept.whole => Err("its state is whole already"),
        (PreparePart::Rows(_), Some(_)) => Ok(()),
        (PreparePart::Done { through_commit } | PreparePart::On { through_commit, .. }, _) if *through_commit > durable => {
            Err("it can't be level with a commit that is not durable")
        }
        (PreparePart::Done { .. }, Some(_)) => Ok(()),
        (PreparePart::On { .. }, Some(kept)) if !kept.whole => Err("its state is not whole yet"),
        (PreparePart::On { stands_on, through_commit, .. }, Some(kept)) => {
            if *stands_on != kept.through_commit || through_commit < stands_on {
                return Err("its state stands elsewhere: read it again");
            }
            Ok(())
        }
    }
}
