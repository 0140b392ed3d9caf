//! The pool of threads that run functions. They never block the writers or the HTTP threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::function::FunctionTask;

#[derive(Default)]
pub struct Pool {
    inside: Mutex<Inside>,
    filled: Condvar,
}

#[derive(Default)]
struct Inside {
    ready: VecDeque<Arc<FunctionTask>>,
    sleeping: usize,
    closed: bool,
}

impl Pool {
    /// Starts `threads` workers; they end when the pool is closed.
    pub fn start(threads: usize) -> std::io::Result<(Arc<Pool>, Vec<JoinHandle<()>>)> {
        let pool = Arc::new(Pool::default());
        let workers = (0..threads.max(1)).map(|number| {
            let pool = pool.clone();
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || pool.work())
        });
        let workers = workers.collect::<Result<Vec<_>, _>>()?;
        Ok((pool, workers))
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, task: Arc<FunctionTask>) {
        let mut inside = self.lock();
        inside.ready.push_back(task);
        let wake = inside.sleeping > 0;
        drop(inside);
        if wake {
            self.filled.notify_one();
        }
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn next(&self) -> Option<Arc<FunctionTask>> {
        let mut inside = self.lock();
        loop {
            if inside.closed {
                return None;
            }
            if let Some(task) = inside.ready.pop_front() {
                return Some(task);
            }
            inside.sleeping += 1;
            inside = self.filled.wait(inside).unwrap_or_else(PoisonError::into_inner);
            inside.sleeping -= 1;
        }
    }

    fn work(&self) {
        while let Some(task) = self.next() {
            // A bug of ours in one function must not take the others along.
            let name = task.name.clone();
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task.run())).is_err() {
                tracing::error!(function = %name, "a worker panicked; the function is stopped until the host restarts");
            }
        }
    }
}
