//! `State`: a handler's own keys and values.

use std::any::Any;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::{Host, Now, unwritten};
use crate::{Error, Result};

/// Entries asked of the host at a time while scanning.
const SCAN_PAGE: u32 = 100;

/// The handler's own keys and values, seen by nobody else. What is written commits together with
/// the handler's outputs and its place in the log, or not at all.
///
/// All values are of one type `S`, kept as JSON; a handler that keeps several kinds uses an enum.
/// Keys are the handler's to choose: the subject, or a field of the data.
///
/// ```
/// # use retold::prelude::*;
/// # #[derive(Event, Deserialize)] #[event("visit.made")] struct Visit { page: String }
/// #[handler]
/// fn visits(visit: Recorded<Visit>, counts: &mut State<u64>) -> Result<()> {
///     counts.update(&visit.page, |count| *count += 1)
/// }
/// ```
pub struct State<'a, S> {
    host: &'a dyn Host,
    /// Index in the batch of the event on whose behalf calls are made.
    event: u32,
    value: PhantomData<fn(S) -> S>,
}

impl<'a, S> State<'a, S> {
    /// Called by `#[handler]`.
    #[doc(hidden)]
    pub fn of(host: &'a dyn Host, event: u32) -> State<'a, S> {
        State { host, event, value: PhantomData }
    }

    /// Forgets the key, if it is there.
    pub fn delete(&mut self, key: &str) {
        self.host.delete(self.event, key);
    }
}

impl<S: DeserializeOwned> State<'_, S> {
    /// Errs if what is kept can't be read as an `S`: an older version of the code wrote it.
    pub fn get(&self, key: &str) -> Result<Option<S>> {
        let mut found = Ok(None);
        self.host.look(self.event, key, &mut |value| found = value.map(|value| read(key, value)).transpose())?;
        found
    }

    /// Entries whose key begins with `prefix`, in key order.
    pub fn scan(&self, prefix: &str) -> Scan<'_, S> {
        Scan { state: self, prefix: prefix.to_owned(), page: Vec::new().into_iter(), after: None, more: true }
    }

    /// As [`State::scan`], but only those that come after the key `after`.
    pub fn scan_after(&self, prefix: &str, after: &str) -> Scan<'_, S> {
        Scan { after: Some(after.to_owned()), ..self.scan(prefix) }
    }
}

impl<S: Serialize> State<'_, S> {
    /// Errs if the value can't be written as JSON.
    pub fn put(&mut self, key: &str, value: &S) -> Result<()> {
        let value = serde_json::to_vec(value).map_err(|error| unwritten(key, &error))?;
        self.host.put(self.event, key, value);
        Ok(())
    }
}

impl<S: DeserializeOwned + Serialize + Default + 'static> State<'_, S> {
    /// Changes the value, beginning with a default one where there is none. Costs less than [`State::get`] and [`State::put`]:
    /// a value that several events of a batch change becomes JSON once.
    ///
    /// Errs if what is kept can't be read as an `S`. If the new value can't be written as JSON, the event fails when the
    /// function has returned.
    pub fn update(&mut self, key: &str, change: impl FnOnce(&mut S)) -> Result<()> {
        let mut change = Some(change);
        self.host.update(self.event, key, &mut |now| {
            let Some(change) = change.take() else { return Ok(None) };
            let value = match now {
                Now::Kept(kept) => {
                    let two_types = || Error::reject(format_args!("state {key:?} is of two types"));
                    change((kept as &mut dyn Any).downcast_mut().ok_or_else(two_types)?);
                    return Ok(None);
                }
                Now::Bytes(Some(bytes)) => read(key, bytes)?,
                Now::Bytes(None) => S::default(),
            };
            let mut value: Box<S> = Box::new(value);
            change(&mut value);
            Ok(Some(value))
        })
    }
}

pub(crate) fn read<S: DeserializeOwned>(key: &str, value: &[u8]) -> Result<S> {
    crate::event::parse(value.into()).map_err(|error| {
        let wanted = crate::event::short_name::<S>();
        Error::reject(format_args!("state {key:?} can't be read as {wanted}: {error}"))
    })
}

/// See [`State::scan`] and [`Rows::scan`](crate::Rows::scan).
pub struct Scan<'a, S> {
    state: &'a State<'a, S>,
    prefix: String,
    page: std::vec::IntoIter<(String, Vec<u8>)>,
    /// Last key of the page.
    after: Option<String>,
    /// Whether the host may have entries beyond the page.
    more: bool,
}

impl<S: DeserializeOwned> Iterator for Scan<'_, S> {
    type Item = Result<(String, S)>;

    fn next(&mut self) -> Option<Result<(String, S)>> {
        if self.page.len() == 0 && self.more {
            let State { host, event, .. } = self.state;
            let page = host.scan(*event, &self.prefix, self.after.as_deref(), SCAN_PAGE);
            self.more = page.len() == SCAN_PAGE as usize;
            self.after = page.last().map(|(key, _)| key.clone());
            self.page = page.into_iter();
        }
        let (key, value) = self.page.next()?;
        Some(read(&key, &value).map(|value| (key, value)))
    }
}
