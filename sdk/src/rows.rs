//! `Rows`: what a view keeps, and what its queries read.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::Host;
use crate::{Result, Scan, State};

/// Rows of one type `T` by key, kept as JSON. A view writes them (`&mut Rows<T>`), a query only reads
/// them (`&Rows<T>`): what it may not do doesn't compile.
///
/// ```
/// # use retold::prelude::*;
/// # #[derive(Event, Deserialize)] #[event("visit.made")] struct Visit { page: String }
/// #[view]
/// fn visits(visit: Recorded<Visit>, counts: &mut Rows<u64>) -> Result<()> {
///     counts.update(&visit.page, |count| *count += 1)
/// }
///
/// #[query(view = visits)]
/// fn all_visits(counts: &Rows<u64>) -> Result<u64> {
///     counts.scan("").map(|row| Ok(row?.1)).sum()
/// }
/// ```
///
/// ```compile_fail
/// # use retold::prelude::*;
/// # #[derive(Event, Deserialize)] #[event("visit.made")] struct Visit { page: String }
/// # #[view] fn visits(visit: Recorded<Visit>, counts: &mut Rows<u64>) -> Result<()> { Ok(()) }
/// #[query(view = visits)]
/// fn forget_all(counts: &Rows<u64>) -> Result<()> {
///     counts.remove("home");
///     Ok(())
/// }
/// ```
///
/// In a view with `split = 1` the host keeps the rows of each first part of the subject apart: the
/// view writes `2013-01` while it reads `UA/1545/2013-01-01`, and a query reads `UA/2013-01`.
///
/// What a view writes goes to the host when the call ends: writing a row a hundred times in a batch costs
/// little more than once.
pub struct Rows<'a, T>(State<'a, T>);

impl<'a, T> Rows<'a, T> {
    /// Called by `#[view]` and `#[query]`.
    #[doc(hidden)]
    pub fn of(host: &'a dyn Host, event: u32) -> Rows<'a, T> {
        Rows(State::of(host, event))
    }

    /// Removes the row, if it is there.
    pub fn remove(&mut self, key: &str) {
        self.0.delete(key);
    }
}

impl<T: DeserializeOwned> Rows<'_, T> {
    /// Errs if the row can't be read as a `T`.
    pub fn get(&self, key: &str) -> Result<Option<T>> {
        self.0.get(key)
    }

    /// Rows whose key begins with `prefix`, in key order.
    pub fn scan(&self, prefix: &str) -> Scan<'_, T> {
        self.0.scan(prefix)
    }

    /// As [`Rows::scan`], but only those that come after the key `after`: the next page of an answer.
    pub fn scan_after(&self, prefix: &str, after: &str) -> Scan<'_, T> {
        self.0.scan_after(prefix, after)
    }
}

impl<T: Serialize> Rows<'_, T> {
    /// Errs if the row can't be written as JSON.
    pub fn put(&mut self, key: &str, row: &T) -> Result<()> {
        self.0.put(key, row)
    }
}

impl<T: DeserializeOwned + Serialize + Default + 'static> Rows<'_, T> {
    /// Changes the row, beginning with a default one where there is none: as [`State::update`], and for as little.
    pub fn update(&mut self, key: &str, change: impl FnOnce(&mut T)) -> Result<()> {
        self.0.update(key, change)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::Timestamp;
    use crate::batched::{Batched, Units};
    use crate::bindings::wire::EventDetails;
    use crate::envelope::Envelope;

    /// A host that keeps the lanes of its events apart, and counts.
    #[derive(Default)]
    struct Counting {
        rows: RefCell<BTreeMap<String, Vec<u8>>>,
        calls: RefCell<usize>,
    }

    const LANES: [&str; 2] = ["a", "b"];

    impl Counting {
        fn whole(&self, event: u32, key: &str) -> String {
            *self.calls.borrow_mut() += 1;
            format!("{}/{key}", LANES[event as usize % 2])
        }
    }

    impl Host for Counting {
        fn details(&self, _position: u64) -> EventDetails {
            unreachable!("nobody asks")
        }

        fn get(&self, event: u32, key: &str) -> Option<Vec<u8>> {
            self.rows.borrow().get(&self.whole(event, key)).cloned()
        }

        fn put(&self, event: u32, key: &str, value: Vec<u8>) {
            self.rows.borrow_mut().insert(self.whole(event, key), value);
        }

        fn delete(&self, event: u32, key: &str) {
            self.rows.borrow_mut().remove(&self.whole(event, key));
        }

        fn scan(&self, event: u32, prefix: &str, _after: Option<&str>, _limit: u32) -> Vec<(String, Vec<u8>)> {
            let lane = self.whole(event, prefix);
            let rows = self.rows.borrow();
            rows.iter().filter(|(key, _)| key.starts_with(&lane)).map(|(key, row)| (key[2..].to_owned(), row.clone())).collect()
        }
    }

    /// So many events of each lane in turn.
    fn batched(host: &Counting, events: usize) -> Batched<'_> {
        let of = |subject| Envelope { position: 1, event_type: "a", subject, time: Timestamp::from_micros(0), data: "".into() };
        Batched::new(host, LANES.into_iter().cycle().take(events).map(of).collect(), Units::Parts(1))
    }

    #[test]
    fn a_row_written_often_in_a_call_goes_to_the_host_once() {
        let host = Counting::default();
        let batched = batched(&host, 100);
        for event in 0..100 {
            Rows::of(&batched, event).update("n", |n: &mut u64| *n += 1).unwrap();
        }
        assert!(host.rows.borrow().is_empty());
        batched.flush().unwrap();
        let expected = BTreeMap::from([("a/n".to_owned(), b"50".to_vec()), ("b/n".to_owned(), b"50".to_vec())]);
        assert_eq!(*host.rows.borrow(), expected);
        assert_eq!(*host.calls.borrow(), 2 + 2, "a read and a write for each lane");
    }

    #[test]
    fn what_was_written_is_read_back_before_the_call_ends() {
        let host = Counting::default();
        host.put(0, "kept", b"7".to_vec());
        let batched = batched(&host, 1);
        let mut rows = Rows::<u64>::of(&batched, 0);
        rows.put("put", &1).unwrap();
        rows.update("put", |n| *n += 1).unwrap();
        rows.update("new", |n| *n += 5).unwrap();
        assert_eq!([rows.get("put"), rows.get("new"), rows.get("kept")].map(Result::unwrap), [Some(2), Some(5), Some(7)]);
        rows.remove("kept");
        rows.remove("new");
        assert_eq!([rows.get("new"), rows.get("kept")].map(Result::unwrap), [None, None]);
        rows.update("kept", |n| *n += 1).unwrap();
        let all: Vec<_> = rows.scan("").map(Result::unwrap).collect();
        assert_eq!(all, [("kept".to_owned(), 1), ("put".to_owned(), 2)]);
    }

    #[test]
    fn more_rows_than_are_held_go_to_the_host_early_and_none_is_lost() {
        let host = Counting::default();
        let batched = batched(&host, 1);
        for number in 0..10_000_u64 {
            Rows::of(&batched, 0).update(&format!("{number:05}"), |row| *row = number).unwrap();
        }
        assert!(!host.rows.borrow().is_empty());
        batched.flush().unwrap();
        assert_eq!(host.rows.borrow().len(), 10_000);
    }
}
