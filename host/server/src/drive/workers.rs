//! Pools of threads that run functions. They never block the writers or the HTTP threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::priority::give_way;

/// What a worker can be asked to do: one turn of it, after which others come first.
pub trait Work: Send + Sync {
    /// For messages.
    fn name(&self) -> &str;

    /// Whose it is: owners take turns.
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

/// What a pool's threads do around each turn of work.
pub type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// Nothing.
pub fn alone() -> Around {
    Box::new(|work| work())
}

pub struct Pool {
    inside: Mutex<Inside>,
    filled: Condvar,
    shared: Option<Shared>,
    around: Around,
}

/// How threads are shared out among owners.
struct Shared {
    /// Threads that the work of one owner may have at one time.
    each: usize,
    /// Threads that may be at work just now: at least one.
    all: Box<dyn Fn() -> usize + Send + Sync>,
}

#[derive(Default)]
struct Inside {
    /// With something at work or ready.
    owners: BTreeMap<usize, Owner>,
    /// Turns begun.
    turns: u64,
    sleeping: usize,
    closed: bool,
}

#[derive(Default)]
struct Owner {
    ready: VecDeque<Arc<dyn Work>>,
    at_work: usize,
    /// When its last turn began, counted in turns.
    last: u64,
}

impl Pool {
    /// Starts `threads` workers; they end when the pool is closed. With a niceness above 0 they give way
    /// to the threads of other pools.
    pub fn start(name: &str, threads: usize, niceness: i32, around: Around) -> std::io::Result<(Arc<Pool>, Vec<JoinHandle<()>>)> {
        Pool::new(None, around).with_threads(name, threads, niceness)
    }

    /// The same, but no owner has more than half of the threads at one time, so that none can hold them all. No more are at
    /// work than `all` says.
    pub fn start_shared(
        name: &str,
        threads: usize,
        niceness: i32,
        around: Around,
        all: impl Fn() -> usize + Send + Sync + 'static,
    ) -> std::io::Result<(Arc<Pool>, Vec<JoinHandle<()>>)> {
        let shared = Shared { each: (threads / 2).max(1), all: Box::new(all) };
        Pool::new(Some(shared), around).with_threads(name, threads, niceness)
    }

    fn new(shared: Option<Shared>, around: Around) -> Pool {
        Pool { inside: Mutex::default(), filled: Condvar::new(), shared, around }
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
        inside.push(task);
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
            if let Some(task) = inside.pop(self.shared.as_ref()) {
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
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut task = Some(task);
                (self.around)(&mut || task.take().into_iter().for_each(Work::run));
            }))
            .is_err()
            {
                tracing::error!(work = %name, "a worker panicked; this work is stopped until the host restarts");
            }
            self.lock().ended(owner);
            if self.shared.is_some() {
                // What waited for this owner's share, or for any place.
                self.filled.notify_one();
            }
        }
    }
}

impl Inside {
    fn push(&mut self, task: Arc<dyn Work>) {
        self.owners.entry(task.owner()).or_default().ready.push_back(task);
    }

    /// The next of who has the fewest at work, and of those whose last turn was before the others'; in the order in which
    /// they came.
    fn pop(&mut self, shared: Option<&Shared>) -> Option<Arc<dyn Work>> {
        if let Some(shared) = shared {
            let at_work: usize = self.owners.values().map(|owner| owner.at_work).sum();
            if at_work >= (shared.all)().max(1) {
                return None;
            }
        }
        let each = shared.map_or(usize::MAX, |shared| shared.each);
        let waiting = self.owners.values_mut().filter(|owner| !owner.ready.is_empty() && owner.at_work < each);
        let owner = waiting.min_by_key(|owner| (owner.at_work, owner.last))?;
        let task = owner.ready.pop_front()?;
        self.turns += 1;
        (owner.at_work, owner.last) = (owner.at_work + 1, self.turns);
        Some(task)
    }

    fn ended(&mut self, owner: usize) {
        let Some(of) = self.owners.get_mut(&owner) else { return };
        of.at_work -= 1;
        if of.at_work == 0 && of.ready.is_empty() {
            self.owners.remove(&owner);
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

    fn filled(owners: &[usize]) -> Inside {
        let mut inside = Inside::default();
        owners.iter().for_each(|owner| inside.push(Arc::new(Of(*owner))));
        inside
    }

    #[track_caller]
    fn check(inside: &mut Inside, shared: &Shared, expected: &[usize]) {
        let owners: Vec<usize> = std::iter::from_fn(|| inside.pop(Some(shared)).map(|task| task.owner())).collect();
        assert_eq!(owners, expected);
    }

    #[test]
    fn who_floods_all_threads_waits_behind_who_has_little_to_do_e6() {
        let mut inside = filled(&[1, 1, 1, 1, 1, 2]);
        let mut next = |more: Option<usize>| {
            more.into_iter().for_each(|owner| inside.push(Arc::new(Of(owner))));
            inside.pop(None).map(|task| task.owner())
        };
        assert_eq!([next(None), next(None), next(None), next(Some(3)), next(None)], [Some(1), Some(2), Some(1), Some(3), Some(1)]);
    }

    #[test]
    fn no_owner_has_more_than_its_share_of_the_threads_w32() {
        let (mut inside, shared) = (filled(&[1, 1, 1, 1, 2, 3]), Shared { each: 2, all: Box::new(|| 8) });
        check(&mut inside, &shared, &[1, 2, 3, 1]);
        inside.ended(2);
        // Another owner's end makes no room for it.
        check(&mut inside, &shared, &[]);
        inside.ended(1);
        check(&mut inside, &shared, &[1]);
        (0..2).for_each(|_| inside.ended(1));
        check(&mut inside, &shared, &[1]);
        inside.ended(1);
        inside.ended(3);
        assert!(inside.owners.is_empty());
    }

    #[test]
    fn owners_take_turns_however_much_one_has_to_do_w32() {
        let (mut inside, shared) = (filled(&[1, 1, 1, 1, 2, 2, 3]), Shared { each: 2, all: Box::new(|| 1) });
        for expected in [1, 2, 3, 1, 2, 1, 1] {
            check(&mut inside, &shared, &[expected]);
            inside.ended(expected);
        }
    }

    #[test]
    fn no_more_are_at_work_than_there_is_room_for_just_now_w32() {
        let room = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let now = room.clone();
        let shared = Shared { each: 4, all: Box::new(move || now.load(std::sync::atomic::Ordering::Relaxed)) };
        let mut inside = filled(&[1, 2, 3, 4]);
        // One always may.
        check(&mut inside, &shared, &[1]);
        room.store(3, std::sync::atomic::Ordering::Relaxed);
        check(&mut inside, &shared, &[2, 3]);
    }
}
