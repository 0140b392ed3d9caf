//! `Slots`: the cores that what can wait may have. It runs beside those who are served as long as a core stays free for who
//! comes next, and otherwise stands still, in the middle of a guest's call, until they are.
//!
//! The system's scheduler alone doesn't do it: where all cores are busy, who wakes to answer is put behind another that
//! answers, however unimportant what the other cores do may be; and two threads of one core are in each other's way.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock;
use super::traffic::Traffic;
use crate::wasm::with_pauses;

/// How often is looked whether somebody is served still.
const LOOK: Duration = Duration::from_micros(100);
/// Of so long and `GOES_ON` together, what can wait goes on for `GOES_ON`, in one piece or in many, whoever is served.
const STILL_MAX: Duration = Duration::from_millis(10);
const GOES_ON: Duration = Duration::from_millis(2);
/// After so long, who has a slot hands it to the next that waits for one.
const TURN: Duration = Duration::from_millis(50);

pub struct Slots {
    traffic: Arc<Traffic>,
    cores: usize,
    inside: Mutex<Inside>,
    changed: Condvar,
    /// As many as wait, to be read without the lock.
    waiting: AtomicUsize,
}

struct Inside {
    at_work: usize,
    /// In their order.
    waiting: VecDeque<u64>,
    next: u64,
    /// Since then nobody, or for less than `GOES_ON`, has been at work.
    still_since: Instant,
    /// For so long since `still_since`, without those at work now.
    went_on: Duration,
    /// When the first of those at work now began.
    at_work_since: Instant,
    goes_on_until: Instant,
}

impl Slots {
    pub fn new(traffic: Arc<Traffic>) -> Arc<Slots> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Slots::of_cores(cores, traffic))
    }

    fn of_cores(cores: usize, traffic: Arc<Traffic>) -> Slots {
        let now = clock::started();
        let (waiting, went_on) = (VecDeque::new(), Duration::ZERO);
        let inside = Inside { at_work: 0, waiting, next: 0, still_since: now, went_on, at_work_since: now, goes_on_until: now };
        Slots { traffic, cores, inside: Mutex::new(inside), changed: Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Does `work` in a slot. Its guests give the slot back, and wait for another, where others come first.
    pub fn hold<R>(self: &Arc<Self>, work: impl FnOnce() -> R) -> R {
        struct Held<'a>(&'a Slots);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                drop(self.0.leave(self.0.lock()));
            }
        }
        self.enter(self.lock());
        let _held = Held(self);
        let (slots, since) = (self.clone(), Cell::new(clock::started()));
        with_pauses(move || slots.let_pass(&since), work)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot.
    fn enter(&self, mut inside: MutexGuard<'_, Inside>) {
        let ticket = inside.next;
        inside.next += 1;
        inside.waiting.push_back(ticket);
        self.waiting.store(inside.waiting.len(), Ordering::Relaxed);
        loop {
            let first = inside.waiting.front() == Some(&ticket);
            if first && inside.at_work < self.room(&mut inside, clock::started()) {
                break;
            }
            let time = if first { LOOK } else { STILL_MAX };
            inside = self.changed.wait_timeout(inside, time).unwrap_or_else(PoisonError::into_inner).0;
        }
        inside.waiting.pop_front();
        self.waiting.store(inside.waiting.len(), Ordering::Relaxed);
        if inside.at_work == 0 {
            inside.at_work_since = clock::started();
        }
        inside.at_work += 1;
        self.traffic.gives_way(inside.at_work);
        if !inside.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    fn leave<'a>(&self, mut inside: MutexGuard<'a, Inside>) -> MutexGuard<'a, Inside> {
        inside.at_work -= 1;
        self.traffic.gives_way(inside.at_work);
        if inside.at_work == 0 {
            inside.stands_still(clock::started());
        }
        if !inside.waiting.is_empty() {
            self.changed.notify_all();
        }
        inside
    }

    /// Who has a slot since then goes on only if it may.
    fn let_pass(&self, since: &Cell<Instant>) {
        if self.traffic.is_idle() && self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let (mut inside, now) = (self.lock(), clock::started());
        let its_turn_is_over = !inside.waiting.is_empty() && now >= since.get() + TURN;
        if its_turn_is_over || inside.at_work > self.room(&mut inside, now) {
            self.enter(self.leave(inside));
            since.set(clock::started());
        }
        // Who waits for this core has it first; nobody is asked if there is none.
        std::thread::yield_now();
    }

    /// How many may be at work now.
    fn room(&self, inside: &mut Inside, now: Instant) -> usize {
        if self.traffic.is_idle() {
            return usize::MAX;
        }
        let serving = self.traffic.serving();
        if serving == 0 {
            // A question now and then takes no core away for longer than its answer takes.
            return if self.traffic.is_quiet() { usize::MAX } else { self.cores.saturating_sub(1).max(1) };
        }
        if inside.at_work == 0 && now >= inside.still_since + STILL_MAX {
            inside.goes_on_until = now + GOES_ON;
        }
        let least = usize::from(now < inside.goes_on_until);
        self.cores.saturating_sub(1 + serving).max(least)
    }
}

impl Inside {
    /// Many short pieces count as one that is as long as they are.
    fn stands_still(&mut self, now: Instant) {
        self.went_on += now.saturating_duration_since(self.at_work_since);
        if self.went_on >= GOES_ON {
            (self.still_since, self.went_on) = (now, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn room(slots: &Slots, now: Instant) -> usize {
        slots.room(&mut slots.lock(), now)
    }

    #[test]
    fn what_can_wait_leaves_a_core_beside_those_who_are_served_w32() {
        let (slots, now) = (Slots::of_cores(4, Arc::new(Traffic::busy())), clock::started());
        assert_eq!(room(&slots, now), 3, "nobody at just this moment");
        let steps: Vec<_> = (0..4).map(|_| slots.traffic.serve()).collect();
        assert_eq!(room(&slots, now), 0);
        drop(steps);
        let idle = Slots::of_cores(4, Arc::new(Traffic::new(|| {})));
        assert_eq!(room(&idle, now), usize::MAX, "nobody for long");
        let _step = idle.traffic.serve();
        assert_eq!(room(&idle, now), usize::MAX, "the host's own affairs");
        let asked = Slots::of_cores(4, Arc::new(Traffic::asked()));
        assert_eq!(room(&asked, now), usize::MAX, "somebody asked, and has the answer");
        let _step = asked.traffic.serve();
        assert_eq!(room(&asked, now), 2, "somebody asked, and waits for the answer");
        assert_eq!(room(&Slots::of_cores(1, Arc::new(Traffic::busy())), now), 1);
    }

    #[test]
    fn what_stands_still_for_long_goes_on_for_a_while_w32() {
        let slots = Slots::of_cores(2, Arc::new(Traffic::busy()));
        let _steps = [slots.traffic.serve(), slots.traffic.serve()];
        let since = slots.lock().still_since;
        let after = |time: Duration| room(&slots, since + time);
        assert_eq!([after(Duration::ZERO), after(STILL_MAX - Duration::from_micros(1))], [0, 0]);
        assert_eq!(after(STILL_MAX), 1);
        slots.lock().at_work = 1;
        assert_eq!([after(STILL_MAX + GOES_ON - Duration::from_micros(1)), after(STILL_MAX + GOES_ON)], [1, 0]);
    }

    #[test]
    fn pieces_too_short_to_get_anywhere_do_not_count_as_having_gone_on_w32() {
        let slots = Slots::of_cores(2, Arc::new(Traffic::busy()));
        let mut inside = slots.lock();
        let began = inside.still_since;
        let piece = GOES_ON / 4;
        for number in 1..=4 {
            assert_eq!(inside.still_since, began, "before piece {number}");
            inside.at_work_since = began + 2 * number * piece;
            let ends = inside.at_work_since + piece;
            inside.stands_still(ends);
        }
        assert_eq!((inside.still_since, inside.went_on), (began + 9 * piece, Duration::ZERO));
    }

    #[test]
    fn who_has_had_a_slot_for_long_hands_it_to_the_next_w32() {
        let slots = Slots::of_cores(2, Arc::new(Traffic::busy()));
        let other_was_at_work = AtomicUsize::new(0);
        slots.enter(slots.lock());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                slots.enter(slots.lock());
                other_was_at_work.fetch_add(1, Ordering::Relaxed);
                drop(slots.leave(slots.lock()));
            });
            while slots.waiting.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            slots.let_pass(&Cell::new(clock::started() - TURN));
            assert_eq!(other_was_at_work.load(Ordering::Relaxed), 1);
        });
    }
}
