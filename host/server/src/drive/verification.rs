//! What runs, over recorded history once more: which of its outputs can be held against the record, and the live
//! rows against those that history makes, at one place.

use std::sync::Arc;
use std::time::Duration;

use retold_engine::model::{Digest, FunctionKind, FunctionManifest, Position};
use retold_engine::run::{self, Replay, RowsCompared};
use retold_engine::store::{FormerSpan, FunctionRow, FunctionStatus, Snapshot, ViewFile, ViewSnapshot};

use super::inside::Inside;
use super::modules::Upload;
use super::prospect::{Prospect, Wanted};
use super::replay_info::{FormerVersion, OutputCounts, StateCompared};
use super::replay_part::Went;
use super::types::DriveError;

/// How often rows that are still being made are looked at.
const UNTIL_LEVEL: Duration = Duration::from_millis(20);

/// One function's live rows, on the way to where they are compared.
#[derive(Default)]
pub struct Verifying {
    /// A view's live rows, held still once the replay has come near.
    live: Option<ViewSnapshot>,
    pub compared: Option<StateCompared>,
    /// Why nothing was compared.
    pub note: Option<String>,
}

impl Verifying {
    /// Where the replay of a view ends for now: where its live rows are.
    pub fn end(&self, inside: &Inside, view: &str) -> Option<Position> {
        match &self.live {
            Some(live) => Some(live.cursor()),
            None => inside.all_views().get(view).map(|view| view.position()),
        }
    }

    /// The replay has dealt with all that the snapshot knows of, or with all up to [`Verifying::end`]. Answers
    /// [`Went::Level`] when there is nothing left to do.
    pub fn compare(
        &mut self,
        inside: &Inside,
        snapshot: &Snapshot,
        row: &FunctionRow,
        replay: &Replay,
        shadow: &ViewFile,
    ) -> Result<Went, DriveError> {
        match row.manifest.kind {
            // As after a restore. Waited for, unless nobody goes on with it.
            FunctionKind::Handler if row.rebuild.is_some() && row.status == FunctionStatus::Active => return Ok(Went::Later(UNTIL_LEVEL)),
            FunctionKind::Handler if row.rebuild.is_some() => {
                self.note = Some("its state is being made again: there is none to compare with yet".to_owned());
            }
            // Their cursor isn't known: another snapshot tells.
            FunctionKind::Handler if snapshot.rows_are_ahead()? => return Ok(Went::On { events: 0 }),
            FunctionKind::Handler => {
                let rows = run::compare_state(snapshot, row.slot, &shadow.snapshot()?)?;
                self.compared = Some(compared(row.cursor, rows));
            }
            FunctionKind::View => return self.compare_view(inside, row, replay.position(), shadow),
            FunctionKind::Aggregate => {
                self.note = Some("its events were folded; it keeps no rows, and nothing is decided again".to_owned())
            }
            FunctionKind::Upcaster | FunctionKind::Ingress => {}
        }
        Ok(Went::Level)
    }

    fn compare_view(&mut self, inside: &Inside, row: &FunctionRow, position: Position, shadow: &ViewFile) -> Result<Went, DriveError> {
        let Some(task) = inside.all_views().get(&*row.name).cloned() else {
            self.note = Some("it answers no queries: there are no rows to compare with".to_owned());
            return Ok(Went::Level);
        };
        // Rows are waited for in the same way.
        if !task.is_level() && task.stuck().is_none() && row.status == FunctionStatus::Active {
            return Ok(Went::Later(UNTIL_LEVEL));
        }
        // What says nothing to the view moves its position, not its file's: rows looked at after this was read have all of it.
        let reached = task.position();
        let live = match self.live.take() {
            Some(live) => live,
            None => task.file.snapshot()?,
        };
        if live.cursor() > position {
            self.live = Some(live);
            return Ok(Went::On { events: 0 });
        }
        if live.cursor().max(reached) < position {
            self.note = Some("its live rows were made again meanwhile: verify once more".to_owned());
            return Ok(Went::Level);
        }
        self.compared = Some(compared(position, run::compare_rows(&live, &shadow.snapshot()?)?));
        Ok(Went::Level)
    }
}

fn compared(position: Position, found: RowsCompared) -> StateCompared {
    let rows = OutputCounts { equal: found.equal, new: found.new, missing: found.missing, different: found.different };
    let first = found.first.into_iter().map(|row| (row.key, row.old, row.new)).collect();
    StateCompared { position, rows, first }
}

/// Outputs of causes after this were made by the code that runs, read through the upcasters that there are. What was
/// held back of earlier causes isn't in the log.
pub fn same_code_after(snapshot: &Snapshot, row: &FunctionRow) -> Position {
    let acts = row.manifest.timers || !row.manifest.sends.is_empty() || !row.manifest.hosts.is_empty();
    let held = if acts { row.held_through } else { Position::START };
    let upcasters =
        snapshot.functions().filter(|other| other.manifest.kind == FunctionKind::Upcaster && other.status != FunctionStatus::Retired);
    let upcast = upcasters.map(|upcaster| taken_over(snapshot, upcaster).1).max().unwrap_or_default();
    taken_over(snapshot, row).0.max(held).max(upcast)
}

/// A version of a function that ran before, and is to run over its part of history again.
pub struct Former {
    /// The namespace with its module in the place of the one that runs.
    pub prospect: Arc<Prospect>,
    pub function: FunctionManifest,
    pub identity: Digest,
    /// The function as it stood when another took over.
    pub row: Arc<FunctionRow>,
    /// Ordinal of its module version.
    pub module: u32,
    pub version: FormerVersion,
}

/// The versions of a handler that ran before, oldest first, with what each dealt with; and why something of it can't be
/// compared.
pub fn former_versions(inside: &Inside, snapshot: &Snapshot, row: &FunctionRow) -> Result<(Vec<Former>, Vec<String>), DriveError> {
    let (mut formers, mut notes) = (Vec::new(), Vec::new());
    if row.manifest.kind != FunctionKind::Handler {
        return Ok((formers, notes));
    }
    let Some(spans) = snapshot.former_spans(row)? else {
        let why = "events were set aside or read again, and which version dealt with them in the end is not told by their place";
        return Ok((formers, vec![format!("what versions before it made is not compared: {why}")]));
    };
    for span in spans {
        let Some(version) = snapshot.module(span.module) else { continue };
        match former(inside, snapshot, row, span) {
            Ok(Some(found)) => formers.push(found),
            Ok(None) => notes.push(format!("what {} made is not compared: its code is no longer here", version.version)),
            Err(DriveError::Store(error)) => return Err(error.into()),
            Err(error) => notes.push(format!("what {} made is not compared: {error}", version.version)),
        }
    }
    Ok((formers, notes))
}

/// `None`: its code is no longer here.
fn former(inside: &Inside, snapshot: &Snapshot, row: &FunctionRow, span: FormerSpan) -> Result<Option<Former>, DriveError> {
    let FormerSpan { module, after, upto } = span;
    let Some(version) = snapshot.module(module).cloned() else { return Ok(None) };
    let Some(function) = version.manifest.functions.iter().find(|function| function.name == row.name).cloned() else { return Ok(None) };
    let Some(identity) = snapshot.identity_after(&version.manifest, version.digest, &row.name) else { return Ok(None) };
    let Some(component) = snapshot.component(version.digest)? else { return Ok(None) };
    let upload = Upload { manifest: version.manifest.clone(), digest: version.digest, module: inside.modules.load(&component)?, component };
    let prospect = Arc::new(Prospect::of(inside, &Wanted::Upload(upload))?);
    let row = Arc::new(FunctionRow { cursor: upto, rebuild: None, ..row.clone() });
    let version = FormerVersion { version: version.version.clone(), after: after.0, upto: upto.0 };
    Ok(Some(Former { prospect, function, identity, row, module, version }))
}

/// Where the function's code took over from other code, [`Position::START`] if it never did; and where it first ran.
fn taken_over(snapshot: &Snapshot, row: &FunctionRow) -> (Position, Position) {
    let Some(active) = snapshot.module(row.module) else { return Default::default() };
    let (mut from_other, mut first, mut other) = (Position::START, Position::START, None);
    for version in snapshot.modules().filter(|version| version.name == active.name && version.ordinal <= active.ordinal) {
        let same = match snapshot.identity_after(&version.manifest, version.digest, &row.name) {
            Some(identity) => identity == row.identity,
            None => continue,
        };
        if same && other != Some(false) {
            first = version.deployed_at;
            from_other = if other.is_some() { version.deployed_at } else { Position::START };
        }
        other = Some(!same);
    }
    (from_other, first)
}
