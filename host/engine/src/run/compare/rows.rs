//! Comparing the rows of two versions of a view, or of a function's state.

use super::super::rows::{Rows, SlotRows};
use crate::store::{Snapshot, StoreError, ViewSnapshot};

/// Shown of each kind, and of a value.
const EXAMPLES: usize = 20;
const VALUE_BYTES_SHOWN: usize = 4 << 10;
/// Rows read at a time.
const PAGE: usize = 1_024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsCompared {
    pub equal: u64,
    pub new: u64,
    pub missing: u64,
    pub different: u64,
    /// The first of each kind, in the order of their keys.
    pub first: Vec<RowDifference>,
}

/// `None`: there is no such row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowDifference {
    pub key: String,
    pub old: Option<Vec<u8>>,
    pub new: Option<Vec<u8>>,
}

/// Rows of one snapshot, in the order of their keys.
struct InOrder<'a> {
    rows: &'a dyn Rows,
    page: std::iter::Peekable<std::vec::IntoIter<(String, Vec<u8>)>>,
    after: Option<String>,
    more: bool,
}

impl<'a> InOrder<'a> {
    fn new(rows: &'a dyn Rows) -> InOrder<'a> {
        InOrder { rows, page: Vec::new().into_iter().peekable(), after: None, more: true }
    }

    /// The key of the row that comes next.
    fn key(&mut self) -> Result<Option<&str>, StoreError> {
        if self.page.peek().is_none() && self.more {
            let mut page = Vec::new();
            self.rows.visit("", self.after.as_deref(), &mut |key, value| {
                page.push((key.to_owned(), value.to_vec()));
                page.len() < PAGE
            })?;
            self.more = page.len() == PAGE;
            self.after = page.last().map(|(key, _)| key.clone());
            self.page = page.into_iter().peekable();
        }
        Ok(self.page.peek().map(|(key, _)| key.as_str()))
    }
}

/// Reads both through.
pub fn compare_rows(old: &ViewSnapshot, new: &ViewSnapshot) -> Result<RowsCompared, StoreError> {
    compare(old, new)
}

/// The state in a slot of the head, and rows that were made again.
pub fn compare_state(snapshot: &Snapshot, slot: u32, made: &ViewSnapshot) -> Result<RowsCompared, StoreError> {
    compare(&SlotRows { snapshot, slot }, made)
}

fn compare(old: &dyn Rows, new: &dyn Rows) -> Result<RowsCompared, StoreError> {
    let (mut old, mut new) = (InOrder::new(old), InOrder::new(new));
    let mut compared = RowsCompared::default();
    loop {
        let (left, right) = match (old.key()?, new.key()?) {
            (None, None) => return Ok(compared),
            (Some(one), Some(other)) => (one <= other, other <= one),
            (one, other) => (one.is_some(), other.is_some()),
        };
        let (one, other) = (left.then(|| old.page.next()).flatten(), right.then(|| new.page.next()).flatten());
        let count = match (&one, &other) {
            (Some(one), Some(other)) if one.1 == other.1 => {
                compared.equal += 1;
                continue;
            }
            (Some(_), Some(_)) => &mut compared.different,
            (Some(_), None) => &mut compared.missing,
            (None, _) => &mut compared.new,
        };
        *count += 1;
        if *count <= EXAMPLES as u64 {
            let key = one.as_ref().or(other.as_ref()).map(|(key, _)| key.clone()).unwrap_or_default();
            let value = |row: Option<(String, Vec<u8>)>| row.map(|(_, value)| value[..value.len().min(VALUE_BYTES_SHOWN)].to_vec());
            compared.first.push(RowDifference { key, old: value(one), new: value(other) });
        }
    }
}
