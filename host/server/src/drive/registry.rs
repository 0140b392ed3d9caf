//! The functions of a namespace as tasks, and who reads what.

use std::collections::BTreeMap;
use std::sync::Arc;

use retold_engine::model::FunctionKind;
use retold_engine::run::Subscriptions;
use retold_engine::store::FunctionStatus;

use super::function::FunctionTask;
use super::inside::Inside;

#[derive(Default)]
pub struct Registry {
    tasks: BTreeMap<Arc<str>, Arc<FunctionTask>>,
    /// Of handlers: what is waited for.
    pub subscriptions: Subscriptions,
    view_subscriptions: Subscriptions,
    /// Of aggregates: the commands that they decide.
    command_subscriptions: Subscriptions,
}

impl Registry {
    /// A task for each handler, aggregate and view that isn't retired. Tasks of handlers and aggregates are kept: a
    /// plan may be on its way.
    pub fn refresh(&mut self, namespace: &Arc<Inside>) {
        let rows = namespace.reader.functions();
        let live = || rows.values().filter(|row| row.status != FunctionStatus::Retired);
        self.subscriptions = Subscriptions::new(live(), FunctionKind::Handler);
        self.view_subscriptions = Subscriptions::new(live(), FunctionKind::View);
        self.command_subscriptions = Subscriptions::new(live(), FunctionKind::Aggregate);
        for row in live().filter(|row| matches!(row.manifest.kind, FunctionKind::Handler | FunctionKind::Aggregate)) {
            let name: Arc<str> = Arc::from(row.name.as_str());
            let log = namespace.logs.of(&row.name);
            let task = self.tasks.entry(name).or_insert_with(|| Arc::new(FunctionTask::new(&row.name, Arc::downgrade(namespace), log)));
            // What changed may be that it runs again, or has parked events to try.
            task.wake();
        }
        namespace.set_tasks(self.tasks.clone());
        namespace.open_views();
    }

    /// Wakes those who read events of this type. Any word may be asked for.
    pub fn wake_readers(&mut self, namespace: &Inside, word: &str) {
        let (events, commands) = (self.subscriptions.readers(word), self.command_subscriptions.readers(word));
        for name in events.iter().chain(commands.iter()) {
            if let Some(task) = self.tasks.get(name) {
                task.wake();
            }
        }
        for name in self.view_subscriptions.readers(word).iter() {
            if let Some(view) = namespace.view(name) {
                view.wake();
            }
        }
    }

    pub fn wake_all(&self) {
        self.tasks.values().for_each(FunctionTask::wake);
    }
}
