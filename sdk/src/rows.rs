//! `Rows`: what a view keeps, and what its queries read.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::held::{Held, Value};
use crate::host::Host;
use crate::state::read;
use crate::{Error, Result, Scan, State};

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
pub struct Rows<'a, T> {
    state: State<'a, T>,
    call: Option<Call<'a, T>>,
}

/// The call of a view that the rows are written in.
struct Call<'a, T> {
    host: &'a dyn Host,
    event: u32,
    held: &'a Held<T>,
    lane: Cow<'a, str>,
}

impl<'a, T> Rows<'a, T> {
    /// Called by `#[query]`.
    #[doc(hidden)]
    pub fn of(host: &'a dyn Host, event: u32) -> Rows<'a, T> {
        Rows { state: State::of(host, event), call: None }
    }

    /// Called by `#[view]`.
    #[doc(hidden)]
    pub fn held(host: &'a dyn Host, event: u32, held: &'a Held<T>, lane: Cow<'a, str>) -> Rows<'a, T> {
        Rows { state: State::of(host, event), call: Some(Call { host, event, held, lane }) }
    }

    /// Removes the row, if it is there.
    pub fn remove(&mut self, key: &str) {
        match &self.call {
            // Only a row that can't be written as JSON can make room fail, and it fails again at the end.
            Some(call) => drop(call.write(key, Value::Removed)),
            None => self.state.delete(key),
        }
    }

    /// What is read from the host must have what was written before.
    fn settle(&self) {
        if let Some(call) = &self.call
            && let Err((_, error)) = call.held.flush(call.host)
        {
            panic!("{error}");
        }
    }
}

impl<T> Call<'_, T> {
    fn write(&self, key: &str, value: Value<T>) -> Result<()> {
        self.held.write(self.host, &self.lane, key, self.event, value)
    }
}

impl<T: DeserializeOwned> Rows<'_, T> {
    /// Errs if the row can't be read as a `T`.
    pub fn get(&self, key: &str) -> Result<Option<T>> {
        let Some(call) = &self.call else { return self.state.get(key) };
        let held = call.held.look(&call.lane, key, |value| match value {
            Value::Row(row, write) => read(key, &write(row)?).map(Some),
            Value::Json(json) => read(key, json).map(Some),
            Value::Removed => Ok(None),
        });
        held.unwrap_or_else(|| self.state.get(key))
    }

    /// Rows whose key begins with `prefix`, in key order.
    pub fn scan(&self, prefix: &str) -> Scan<'_, T> {
        self.settle();
        self.state.scan(prefix)
    }

    /// As [`Rows::scan`], but only those that come after the key `after`: the next page of an answer.
    pub fn scan_after(&self, prefix: &str, after: &str) -> Scan<'_, T> {
        self.settle();
        self.state.scan_after(prefix, after)
    }
}

impl<T: Serialize> Rows<'_, T> {
    /// Errs if the row can't be written as JSON.
    pub fn put(&mut self, key: &str, row: &T) -> Result<()> {
        match &self.call {
            Some(call) => call.write(key, Value::Json(written(row)?)),
            None => self.state.put(key, row),
        }
    }
}

impl<T: DeserializeOwned + Serialize + Default> Rows<'_, T> {
    /// Changes the row, beginning with a default one where there is none.
    pub fn update(&mut self, key: &str, change: impl FnOnce(&mut T)) -> Result<()> {
        let change = match &self.call {
            Some(call) => match call.held.change(&call.lane, key, call.event, change) {
                Some(change) => change,
                None => return Ok(()),
            },
            None => change,
        };
        let mut row = self.get(key)?.unwrap_or_default();
        change(&mut row);
        match &self.call {
            Some(call) => call.write(key, Value::Row(row, written)),
            None => self.state.put(key, &row),
        }
    }
}

fn written<T: Serialize>(row: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(row).map_err(|error| Error::reject(format_args!("a row can't be written: {error}")))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::*;
    use crate::bindings::wire::EventDetails;

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

    fn rows<'a>(host: &'a Counting, held: &'a Held<u64>, event: u32) -> Rows<'a, u64> {
        Rows::held(host, event, held, Cow::Borrowed(LANES[event as usize % 2]))
    }

    #[test]
    fn a_row_written_often_in_a_call_goes_to_the_host_once() {
        let (host, held) = (Counting::default(), Held::default());
        for event in 0..100 {
            rows(&host, &held, event).update("n", |n| *n += 1).unwrap();
        }
        assert!(host.rows.borrow().is_empty());
        held.flush(&host).unwrap();
        let expected = BTreeMap::from([("a/n".to_owned(), b"50".to_vec()), ("b/n".to_owned(), b"50".to_vec())]);
        assert_eq!(*host.rows.borrow(), expected);
        assert_eq!(*host.calls.borrow(), 4, "a read and a write for each lane");
    }

    #[test]
    fn what_was_written_is_read_back_before_the_call_ends() {
        let (host, held) = (Counting::default(), Held::default());
        host.put(0, "kept", b"7".to_vec());
        let mut rows = rows(&host, &held, 0);
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
        let (host, held) = (Counting::default(), Held::default());
        for number in 0..10_000 {
            rows(&host, &held, 0).put(&format!("{number:05}"), &number).unwrap();
        }
        assert!(!host.rows.borrow().is_empty());
        held.flush(&host).unwrap();
        assert_eq!(host.rows.borrow().len(), 10_000);
    }
}
