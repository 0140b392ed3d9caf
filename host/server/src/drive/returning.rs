//! The way back: an earlier generation takes the place of the one that it gave way to. What was accepted
//! since is brought into it first, and its functions handle that as if it had just come.

use std::sync::Arc;

use retold_engine::model::{Position, TypePattern};
use retold_engine::run::bring_in;
use retold_engine::store::{Filter, Folder, Role, Snapshot};

use super::clock;
use super::comparing::Comparing;
use super::generations::blocking;
use super::host::Host;
use super::inside::Inside;
use super::promoting::{Recorded, alone, alone_now};
use super::replay_info::{Promoted, RetellingInfo};
use super::retelling::note;
use super::types::DriveError;

/// What the host records in a log that has taken another's place.
pub const PROMOTED: &str = "retold.generation.promoted";
/// A comparison that is so far behind is gone on with before the writer is stopped.
const BEHIND_MAX: u64 = 4_096;

impl Host {
    /// Has the generation before take the place of the one that it gave way to.
    pub async fn promote_back(&self, name: &str) -> Result<Promoted, DriveError> {
        let name = name.to_owned();
        self.in_turn(move |host| async move {
            let way = {
                let (host, name) = (host.clone(), name.clone());
                blocking(move || host.way_back(&name)).await?
            };
            let live = way.live.clone();
            let (promoted, recorded) = alone(&live, move |_| host.go_back(&name, way)).await?;
            // If it can't be recorded now, it is after the next start.
            let _ = recorded.await;
            Ok(promoted)
        })
        .await
    }

    /// What is live, what it is to give way to, and the two compared as far as can be while both live.
    fn way_back(&self, name: &str) -> Result<WayBack, DriveError> {
        let row = self.row(name)?;
        let rows = self.catalogue().namespaces()?;
        let of = |role: &Role| matches!(role, Role::Old { of, .. } if of == name);
        let old = rows.into_iter().filter(|row| of(&row.role)).max_by_key(|row| row.generation);
        let Some(old_row) = old else {
            let what = format!("{name} has no earlier generation to go back to: there was none, or it was dropped");
            return Err(DriveError::Generation { namespace: name.to_owned(), what });
        };
        let unknown = || DriveError::UnknownNamespace(name.to_owned());
        let (live, old) = (self.open_in(&row.folder).ok_or_else(unknown)?, self.open_in(&old_row.folder).ok_or_else(unknown)?);
        let folder: Arc<dyn Folder> = self.folder(&old_row.folder)?;
        let mut comparing = Comparing::mapped([name, &old_row.name], row.generation, &live, &old, folder)?;
        loop {
            let (here, there) = (live.reader.snapshot()?, old.reader.snapshot()?);
            if comparing.advance(&here, &there, here.head(), false)? && live.reader.head().0 - here.head().0 < BEHIND_MAX {
                break;
            }
        }
        // Not while the writer stands still.
        old.reader.hold_filters()?;
        Ok(WayBack { live, old, old_name: old_row.name, generation: row.generation, comparing })
    }

    /// On the writer's thread of what is live.
    fn go_back(&self, name: &str, way: WayBack) -> Result<(Promoted, Recorded), DriveError> {
        let began = clock::started();
        let WayBack { live, old, old_name, generation, mut comparing } = way;
        live.check_in_place()?;
        let from = live.reader.snapshot()?;
        let parted = parted_at(&from)?;
        let kept = bring_all(&from, parted, &old)?;
        comparing.advance(&from, &old.reader.snapshot()?, from.head(), true)?;
        let map = comparing.end()?;
        let promoted = self.catalogue().promote_back(name, &old_name)?;
        let promoted = promoted.map_err(|why| DriveError::Generation { namespace: name.to_owned(), what: why.to_string() })?;
        let to = old.reader.snapshot()?;
        // An older way back may lead through a map that is of no use any more.
        old.forget_maps();
        if let Some(map) = map {
            old.set_map(generation, map);
        }
        let promoted = Promoted {
            namespace: name.to_owned(),
            generation: promoted.live.generation,
            old: promoted.old.name,
            paused_us: began.elapsed().as_micros() as u64,
            old_head: from.head(),
            new_head: to.head(),
            old_chain: from.chain(),
            new_chain: to.chain(),
            kept,
            dropped: 0,
            forgotten: 0,
        };
        let recorded = self.give_place(&live, &old, None, &promoted)?;
        Ok((Promoted { paused_us: began.elapsed().as_micros() as u64, ..promoted }, recorded))
    }
}

/// Two generations of one namespace, side by side.
struct WayBack {
    live: Arc<Inside>,
    old: Arc<Inside>,
    old_name: String,
    generation: u64,
    comparing: Comparing,
}

/// The last entry of the log that was there before it took its place.
fn parted_at(log: &Snapshot) -> Result<Position, DriveError> {
    let mut parted = Position::START;
    log.scan(Position::START, log.head(), &Filter::types([TypePattern::Exact(PROMOTED.to_owned())]), &mut |event| {
        parted = event.position;
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(parted)
}

/// Copies what was accepted since into the older log. Answers how much.
fn bring_all(from: &Snapshot, parted: Position, old: &Arc<Inside>) -> Result<u64, DriveError> {
    let (mut after, mut kept) = (parted, 0);
    while after < from.head() {
        let brought = bring_in(from, after, &old.reader)?;
        (after, kept) = (brought.to, kept + brought.events);
        let (commits, note) = (brought.commits, note(&RetellingInfo { kept, ..RetellingInfo::default() }));
        alone_now(old, move |store| Ok(store.follow_noting(commits, note).map(drop)?))?;
    }
    Ok(kept)
}
