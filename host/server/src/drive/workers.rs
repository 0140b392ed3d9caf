//! Pools of threads that run functions. They never block the writers or the HTTP threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::priority::give_way;

/// What a worker can be asked to do: one turn of it, after which others come first.
pub trait Work: Send + Sync {
    /// For messages.
    fn name(&self) -> &str;

    /// Whose it is: where threads are shared out, each owner has the same part of them.
    fn owner(&self) -> usize {
        0
    }

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
    /// Threads that the work of one owner may have at one time, where they are shared out.
    share: Option<usize>,
}

#[derive(Default)]
struct Inside {
    ready: VecDeque<Arc<dyn Work>>,
    /// Threads at work by owner, where they are shared out.
    at_work: BTreeMap<usize, usize>,
    sleeping: usize,
    closed: bool,
}

impl Pool {
    /// Starts `threads` workers; they end when the pool is closed. With a niceness above 0 they give way
    /// to the threads of other pools.
    pub fn start(name: &str, threads: usize, niceness: i32) -> std::io::Result<(Arc<Pool>, Vec<JoinHandle<()>>)> {
        Pool::default().with_threads(name, threads, niceness)
    }

    /// The same, but no owner has more than half of the threads at one time, so that none can hold them all; and who has
    /// the fewest goes first.
    pub fn start_shared(name: &str, threads: usize, niceness: i32) -> std::io::Result<(Arc<Pool>, Vec<JoinHandle<()>>)> {
        Pool { share: Some((threads / 2).max(1)), ..Pool::default() }.with_threads(name, threads, niceness)
    }

    fn with_threads(self, name: &str, threads: usize, niceness: i32) -> std::io::Result<(Arc<Pool>, Vec<JoinHandle<()>>)> {
        let pool = Arc::new(self);
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
            if let Some(task) = inside.pop(self.share) {
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
            let (name, owner) = (task.name().to_owned(), task.owner());
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task.run())).is_err() {
                tracing::error!(work = %name, "a worker panicked; this work is stopped until the host restarts");
            }
            if self.share.is_some() {
                self.lock().ended(owner);
                // What waited for this owner's share.
                self.filled.notify_one();
            }
        }
    }
}

impl Inside {
    /// The next in the order in which they came, but for owners who have their share.
    fn pop(&mut self, share: Option<usize>) -> Option<Arc<dyn Work>> {
        let Some(share) = share else { return self.ready.pop_front() };
        let at_work = |task: &Arc<dyn Work>| self.at_work.get(&task.owner()).copied().unwrap_or(0);
        let (first, fewest) = self.ready.iter().map(at_work).enumerate().min_by_key(|(_, at_work)| *at_work)?;
        if fewest >= share {
            return None;
        }
        let task = self.ready.remove(first)?;
        *self.at_work.entry(task.owner()).or_default() += 1;
        Some(task)
    }

    fn ended(&mut self, owner: usize) {
        if let Some(at_work) = self.at_work.get_mut(&owner) {
            *at_work -= 1;
            if *at_work == 0 {
                self.at_work.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Of(usize);

    impl Work for Of {
        fn name(&self) -> &str {
            "of an owner"
        }

        fn owner(&self) -> usize {
            self.0
        }

        fn run(self: Arc<Self>) {}
    }

    #[test]
    fn no_owner_has_more_than_its_share_of_the_threads_w32() {
        let mut inside = Inside::default();
        inside.ready.extend([1, 1, 1, 1, 2, 3].map(|owner| Arc::new(Of(owner)) as Arc<dyn Work>));
        let owners = |inside: &mut Inside| std::iter::from_fn(|| inside.pop(Some(2)).map(|task| task.owner())).collect::<Vec<_>>();
        assert_eq!(owners(&mut inside), [1, 2, 3, 1]);
        inside.ended(2);
        assert_eq!(owners(&mut inside), Vec::<usize>::new(), "another owner's end makes no room for it");
        inside.ended(1);
        assert_eq!(owners(&mut inside), [1]);
        (0..2).for_each(|_| inside.ended(1));
        assert_eq!(owners(&mut inside), [1]);
        inside.ended(1);
        inside.ended(3);
        assert!(inside.at_work.is_empty() && inside.ready.is_empty());
    }
}
