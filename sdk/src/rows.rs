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
pub struct Rows<'a, T> {
    state: State<'a, T>,
}

impl<'a, T> Rows<'a, T> {
    /// Called by `#[view]` and `#[query]`.
    #[doc(hidden)]
    pub fn of(host: &'a dyn Host, event: u32) -> Rows<'a, T> {
        Rows { state: State::of(host, event) }
    }

    /// Removes the row, if it is there.
    pub fn remove(&mut self, key: &str) {
        self.state.delete(key);
    }
}

impl<T: DeserializeOwned> Rows<'_, T> {
    /// Errs if the row can't be read as a `T`.
    pub fn get(&self, key: &str) -> Result<Option<T>> {
        self.state.get(key)
    }

    /// Rows whose key begins with `prefix`, in key order.
    pub fn scan(&self, prefix: &str) -> Scan<'_, T> {
        self.state.scan(prefix)
    }

    /// As [`Rows::scan`], but only those that come after the key `after`: the next page of an answer.
    pub fn scan_after(&self, prefix: &str, after: &str) -> Scan<'_, T> {
        self.state.scan_after(prefix, after)
    }
}

impl<T: Serialize> Rows<'_, T> {
    /// Errs if the row can't be written as JSON.
    pub fn put(&mut self, key: &str, row: &T) -> Result<()> {
        self.state.put(key, row)
    }
}

impl<T: DeserializeOwned + Serialize + Default> Rows<'_, T> {
    /// Changes the row, beginning with a default one where there is none: one read and one write.
    pub fn update(&mut self, key: &str, change: impl FnOnce(&mut T)) -> Result<()> {
        let mut row = self.get(key)?.unwrap_or_default();
        change(&mut row);
        self.put(key, &row)
    }
}
