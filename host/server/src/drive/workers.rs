//! Pools of threads that run functions. They never block the writers or the HTTP threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::priority::give_way;

/// What a worker can be asked to do: one turn of it, after which others come first.
pub trait Work: Send + Sync {
    /// For messages.
    fn name(&self) -> &str;

    /// One turn.
    fn run(self: Arc<Self>);

    /// There may be something to do. What only ever runs once needs no waking.
    fn wake(self: Arc<Self>) {}
}

/// Work that is done once.
pub struct Errand {
    name: &'static str,
    work: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Errand {
    pub fn new(name: &'static str, work: impl FnOnce() + Send + 'static) -> Arc<Errand> {
        Arc::new(Errand { name, work: Mutex::new(Some(Box::new(work))) })
    }
}

impl Work for Errand {
    fn name(&self) -> &str {
        self.name
    }

    fn run(self: Arc<Self>) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work {
            work();
        }
    }
}

#[derive(Default)]
pub struct Pool {
    inside: Mutex<Inside>,
    filled: Condvar,
}

#[derive(Default)]
struct Inside {
    ready: VecDeque<Arc<dyn Work>>,
    sleeping: usize,
    closed: bool,
}

impl Pool {
    /// Starts `threads` workers; they end when the pool is closed. With a niceness above 0 they give way
    /// to the threads of other pools.
    pub fn start(name: &str, threads: usize, niceness: i32) -> std::io::Result<(Arc<Pool>, Vec<JoinHandle<()>>)> {
        let pool = Arc::new(Pool::default());
        let workers = (0..threads.max(1)).map(|number| {
            let pool = pool.clone();
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                if niceness > 0 {
                    give_way(niceness);
                }
                pool.work();
            })
        });
        let workers = workers.collect::<Result<Vec<_>, _>>()?;
        Ok((pool, workers))
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, task: Arc<dyn Work>) {
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

    fn next(&self) -> Option<Arc<dyn Work>> {
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
            let name = task.name().to_owned();
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task.run())).is_err() {
                tracing::error!(work = %name, "a worker panicked; this work is stopped until the host restarts");
            }
        }
    }
}
