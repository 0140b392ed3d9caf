//! Which view files a namespace has open: one for each view that isn't retired, of the code that is
//! deployed. Others are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use retold_engine::model::FunctionKind;
use retold_engine::store::{FunctionRow, FunctionStatus, Made, StoreError, ViewOpened, view_file_name};

use super::inside::Inside;
use super::types::DriveError;
use super::views::ViewTask;

/// Memory for pages of each view's file.
const CACHE_BYTES: usize = 16 << 20;

pub type Views = BTreeMap<Arc<str>, Arc<ViewTask>>;

impl Inside {
    /// Opens what isn't open, lets go of what is no longer wanted, and has all of them look for work.
    pub fn open_views(self: &Arc<Self>) -> Views {
        let _turn = self.view_files.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.all_views();
        let mut views = Views::new();
        let rows = self.reader.functions();
        let live = |row: &&Arc<FunctionRow>| row.manifest.kind == FunctionKind::View && row.status != FunctionStatus::Retired;
        for row in rows.values().filter(live) {
            let name: Arc<str> = Arc::from(row.name.as_str());
            let identity = self.reader.identity(row);
            let task = match before.get(&name).filter(|task| task.identity == identity) {
                Some(task) => task.clone(),
                None => match self.open_view(row) {
                    Ok(task) => Arc::new(task),
                    Err(error) => {
                        tracing::error!(view = %row.name, %error, "its file can't be opened; it is tried again");
                        continue;
                    }
                },
            };
            task.wake();
            views.insert(name, task);
        }
        self.set_views(views.clone());
        self.sweep_views(&views);
        views
    }

    fn open_view(self: &Arc<Self>, row: &Arc<FunctionRow>) -> Result<ViewTask, StoreError> {
        let identity = self.reader.identity(row);
        // It may have been folded before it was deployed.
        if let Some(file) = self.take_prepared(&row.name, identity) {
            let mut task = ViewTask::new(row, identity, file, self.view_threads, self);
            // The writer brought it level just before the switch: it answers from there on, without a gap.
            task.level_at = task.position();
            return Ok(task);
        }
        let (file, opened) = self.reader.open_view(&row.name, identity, CACHE_BYTES)?;
        match opened {
            ViewOpened::Kept | ViewOpened::New => {}
            ViewOpened::Replaced(why) => tracing::warn!(view = %row.name, %why, "its file was of no use and is made again from the log"),
        }
        Ok(ViewTask::new(row, identity, Arc::new(file), self.view_threads, self))
    }

    fn sweep_views(&self, views: &Views) {
        let open = views.values().map(|task| task.file.name().to_owned());
        let rows = self.reader.functions();
        let former = rows.values().filter(|row| row.manifest.kind == FunctionKind::View);
        let former = former.flat_map(|row| row.kept.iter().map(|kept| view_file_name(Made::View, &row.name, kept.identity)));
        let keep: BTreeSet<String> = open.chain(self.prepared_files()).chain(self.shadow_files()).chain(former).collect();
        if let Err(error) = self.reader.sweep_views(&keep) {
            tracing::warn!(%error, "files of views that are no longer wanted can't be removed; it is tried again");
        }
    }

    /// Folds a view's rows again, into a new file. The old one serves until the new one is level.
    pub fn reopen_view(self: &Arc<Self>, name: &str) -> Result<(), DriveError> {
        let before = self.view(name);
        let task = self.remake_view(name)?;
        if let Some(before) = before.filter(|before| before.identity == task.identity) {
            task.set_stand_in(before.to_stand_in());
        }
        Ok(())
    }

    /// The same where the old file is of no use to anybody.
    pub fn remake_view(self: &Arc<Self>, name: &str) -> Result<Arc<ViewTask>, DriveError> {
        let row = self.of_kind(name, FunctionKind::View)?;
        let _turn = self.view_files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut views = self.all_views();
        // The old file goes first: both would have one name. Whoever still reads it reads on.
        views.remove(name);
        self.sweep_views(&views);
        let task = Arc::new(self.open_view(&row)?);
        views.insert(Arc::from(name), task.clone());
        self.set_views(views);
        task.wake();
        Ok(task)
    }
}
