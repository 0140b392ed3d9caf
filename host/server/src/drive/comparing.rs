//! Two logs held side by side: for whoever wants to know what another telling changed, and for the map by
//! which cursors of the older log find their place in the newer one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use retold_engine::model::Position;
use retold_engine::run::{self, Comparison, ComparisonStep, DerivedCompared, LogExample, LogsCompared};
use retold_engine::store::{CursorMap, Folder, Snapshot};

use super::clock;
use super::generations::blocking;
use super::host::Host;
use super::inside::Inside;
use super::replay_info::{DifferenceKind, LogDifference, LogEntryDifference, OutputCounts, ReplayStatus, Shown, ViewDifference};
use super::retelling::Retelling;
use super::types::DriveError;

/// Entries of both logs that are read in one step.
const ENTRIES_PER_STEP: u64 = 64 << 10;

/// A comparison of two logs, as far as it has come.
pub struct Comparing {
    names: [String; 2],
    base: Arc<Inside>,
    other: Arc<Inside>,
    comparison: Comparison,
    map: Option<CursorMap>,
    level: bool,
}

impl Comparing {
    pub fn plain(names: [&str; 2], base: &Arc<Inside>, other: &Arc<Inside>) -> Comparing {
        Comparing {
            names: names.map(str::to_owned),
            base: base.clone(),
            other: other.clone(),
            comparison: Comparison::default(),
            map: None,
            level: false,
        }
    }

    /// One that fills the map of the cursors of the base's generation, which lies beside the other log.
    pub fn mapped(
        names: [&str; 2],
        generation: u64,
        base: &Arc<Inside>,
        other: &Arc<Inside>,
        folder: Arc<dyn Folder>,
    ) -> Result<Comparing, DriveError> {
        let logs = [base.reader.log_identity(), other.reader.log_identity()];
        let map = CursorMap::open(&folder, generation, logs, other.reader.head())?;
        let comparison = Comparison::of(&map)?;
        Ok(Comparing { comparison, map: Some(map), ..Comparing::plain(names, base, other) })
    }

    /// Reads on: one step, or all that there is. `upto` is the place in the base up to which the other log
    /// tells it.
    pub fn advance(&mut self, base: &Snapshot, other: &Snapshot, upto: Position, all: bool) -> Result<bool, DriveError> {
        loop {
            let step = self.comparison.step(base, other, upto, ENTRIES_PER_STEP, self.map.as_mut());
            self.level = match step {
                Ok(step) => step == ComparisonStep::Level,
                Err(error) => {
                    // It is begun again from what is known for certain.
                    self.comparison = self.map.as_ref().map_or(Ok(Comparison::default()), Comparison::of)?;
                    return Err(error.into());
                }
            };
            if self.level || !all {
                return Ok(self.level);
            }
        }
    }

    /// Makes what is known durable, and gives the map away.
    pub fn end(&mut self) -> Result<Option<CursorMap>, DriveError> {
        if let Some(map) = &mut self.map {
            self.comparison.keep(map)?;
        }
        Ok(self.map.take())
    }

    pub fn keep(&mut self) -> Result<(), DriveError> {
        match &mut self.map {
            Some(map) => Ok(self.comparison.keep(map)?),
            None => Ok(()),
        }
    }

    /// What is known by now, views too.
    pub fn difference(&self, failed: Option<ReplayStatus>) -> Result<LogDifference, DriveError> {
        let (base, other) = (self.base.reader.snapshot()?, self.other.reader.snapshot()?);
        let LogsCompared { sources, derived, functions, changed, dropped, added, different, missing, new_derived, .. } =
            self.comparison.report(&base, &other)?;
        let mut first = Vec::new();
        for (examples, kind, of_function) in [
            (changed, DifferenceKind::Different, false),
            (dropped, DifferenceKind::Missing, false),
            (added, DifferenceKind::New, false),
            (different, DifferenceKind::Different, true),
            (missing, DifferenceKind::Missing, true),
            (new_derived, DifferenceKind::New, true),
        ] {
            first.extend(examples.into_iter().map(|example| entry(example, kind, of_function)));
        }
        let [base_name, other_name] = self.names.clone();
        Ok(LogDifference {
            base: base_name,
            other: other_name,
            status: failed.unwrap_or(if self.level { ReplayStatus::Done } else { ReplayStatus::Running }),
            position: self.comparison.seen().1,
            head: other.head(),
            source: OutputCounts { equal: sources.kept, new: sources.added, missing: sources.dropped, different: sources.changed },
            derived: counts(derived),
            functions: functions.into_iter().map(|(name, compared)| (name, counts(compared))).collect(),
            first,
            views: if self.level { self.views()? } else { Vec::new() },
        })
    }

    fn views(&self) -> Result<Vec<ViewDifference>, DriveError> {
        let (here, there) = (self.base.all_views(), self.other.all_views());
        let mut names: Vec<&Arc<str>> = here.keys().chain(there.keys()).collect();
        names.sort();
        names.dedup();
        let mut views = Vec::new();
        for name in names {
            let mut view = ViewDifference { view: name.to_string(), rows: OutputCounts::default(), first: Vec::new(), note: None };
            match (here.get(name), there.get(name)) {
                (Some(one), Some(other)) => {
                    let behind = [(&self.base, one), (&self.other, other)].map(|(log, view)| view.position() < log.reader.head());
                    if behind.contains(&true) {
                        view.note = Some("not level yet: rows are those of two moments".to_owned());
                    }
                    let rows = run::compare_rows(&one.file.snapshot()?, &other.file.snapshot()?)?;
                    view.rows = OutputCounts { equal: rows.equal, new: rows.new, missing: rows.missing, different: rows.different };
                    view.first = rows.first.into_iter().map(|row| (row.key, row.old, row.new)).collect();
                }
                (Some(_), None) => view.note = Some(format!("only in {}", self.names[0])),
                (None, _) => view.note = Some(format!("only in {}", self.names[1])),
            }
            views.push(view);
        }
        Ok(views)
    }
}

fn counts(compared: DerivedCompared) -> OutputCounts {
    OutputCounts { equal: compared.equal, new: compared.new, missing: compared.missing, different: compared.different }
}

fn entry(LogExample { old, new }: LogExample, kind: DifferenceKind, derived: bool) -> LogEntryDifference {
    let (source, id) = old.as_ref().or(new.as_ref()).map(|shown| (shown.source.clone(), shown.id.clone())).unwrap_or_default();
    let shown = |event: run::LogShown| Shown {
        position: Some(event.position),
        r#type: event.r#type,
        subject: event.subject,
        content_type: String::new(),
        cut: event.data.len() != event.data_bytes,
        data: event.data,
    };
    LogEntryDifference { kind, derived, source, id, base: old.map(shown), other: new.map(shown) }
}

/// Comparisons that were asked for, by the folders of the two logs.
pub type Comparisons = Mutex<std::collections::BTreeMap<(String, String), Arc<Mutex<Comparing>>>>;

/// Comparisons that are remembered.
const KEPT_MAX: usize = 8;

impl Host {
    /// Holds another namespace's log and views against the base's. Waits for the end of it as long as told.
    pub async fn diff(&self, base: &str, other: &str, wait: Duration) -> Result<LogDifference, DriveError> {
        let until = clock::started() + wait;
        let (host, base, other) = (self.clone(), base.to_owned(), other.to_owned());
        let followed = {
            let (host, base, other) = (host.clone(), base.clone(), other.clone());
            blocking(move || host.retelling_of(&base, &other)).await?
        };
        let Some(retelling) = followed else {
            return blocking(move || host.diff_now(&base, &other, until)).await;
        };
        // Where the time is over first, what is known by then is told.
        let _ = tokio::time::timeout(wait, retelling.compared().wait_for(|compared| *compared)).await;
        blocking(move || retelling.difference()).await
    }

    /// The retelling that follows the base, and compares the two by itself.
    fn retelling_of(&self, base: &str, other: &str) -> Result<Option<Arc<Retelling>>, DriveError> {
        let (base_row, other_row) = (self.row(base)?, self.row(other)?);
        let retelling = self.retellings().get(&other_row.folder).cloned();
        Ok(retelling.filter(|retelling| self.is_open_as(&base_row.folder, &retelling.base)))
    }

    fn diff_now(&self, base: &str, other: &str, until: Instant) -> Result<LogDifference, DriveError> {
        let (base_row, other_row) = (self.row(base)?, self.row(other)?);
        let open = |folder: &str, name: &str| self.open_in(folder).ok_or_else(|| DriveError::UnknownNamespace(name.to_owned()));
        let (base_inside, other_inside) = (open(&base_row.folder, base)?, open(&other_row.folder, other)?);
        let comparing = {
            let mut all = self.0.comparisons.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() > KEPT_MAX {
                all.clear();
            }
            let fresh = || Arc::new(Mutex::new(Comparing::plain([base, other], &base_inside, &other_inside)));
            all.entry((base_row.folder, other_row.folder)).or_insert_with(fresh).clone()
        };
        let mut comparing = comparing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (here, there) = (base_inside.reader.snapshot()?, other_inside.reader.snapshot()?);
            if comparing.advance(&here, &there, here.head(), false)? || clock::started() >= until {
                return comparing.difference(None);
            }
        }
    }

    fn is_open_as(&self, folder: &str, inside: &Arc<Inside>) -> bool {
        self.open_in(folder).is_some_and(|open| Arc::ptr_eq(&open, inside))
    }
}
