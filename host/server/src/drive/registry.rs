//! The functions of a namespace as tasks, and who reads what.

use std::collections::BTreeMap;
use std::sync::Arc;

use retold_engine::run::Subscriptions;
use retold_engine::store::FunctionStatus;

use super::function::FunctionTask;
use super::namespace::Inside;

#[derive(Default)]
pub struct Registry {
    tasks: BTreeMap<Arc<str>, Arc<FunctionTask>>,
    pub subscriptions: Subscriptions,
}

impl Registry {
    /// A task for each function that isn't retired. Tasks are kept: a plan may be on its way.
    pub fn refresh(&mut self, namespace: &Arc<Inside>) {
        let rows = namespace.reader.functions();
        let live = || rows.values().filter(|row| row.status != FunctionStatus::Retired);
        self.subscriptions = Subscriptions::new(live());
        for row in live() {
            let name: Arc<str> = Arc::from(row.name.as_str());
            let task = self.tasks.entry(name).or_insert_with(|| Arc::new(FunctionTask::new(&row.name, Arc::downgrade(namespace))));
            // What changed may be that it runs again, or has parked events to try.
            task.wake();
        }
        namespace.set_tasks(self.tasks.clone());
    }

    /// Wakes those who read events of this type. Any word may be asked for.
    pub fn wake_readers(&mut self, word: &str) {
        for name in self.subscriptions.readers(word).iter() {
            if let Some(task) = self.tasks.get(name) {
                task.wake();
            }
        }
    }

    pub fn wake_all(&self) {
        self.tasks.values().for_each(FunctionTask::wake);
    }
}
