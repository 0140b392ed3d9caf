//! The schemas of a namespace, compiled: what is recorded of a type must fit the type's schema.
//!
//! Appends and commands are checked before they are queued, outputs as a function answers them. What was
//! checked with other schemas than those in force when it reaches the writer is checked again there.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use retold_engine::model::NewEvent;
use retold_engine::store::{self, SchemaRow};

use super::inside::Inside;
use super::types::DriveError;
use crate::schema::{Schema, Violation};

/// The schemas in force at one moment.
#[derive(Default)]
pub struct SchemaBook {
    /// Grows with each change.
    pub version: u64,
    schemas: BTreeMap<String, Schema>,
    /// What it was made of.
    rows: BTreeMap<String, String>,
}

/// Data that its type's schema doesn't allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Which event of the request.
    pub index: usize,
    pub r#type: String,
    /// JSON pointer to the place in the data.
    pub path: String,
    pub what: String,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Misfit { index, r#type, path, what } = self;
        let place = if path.is_empty() { "as a whole".to_owned() } else { format!("at {path}") };
        write!(
            f,
            "event {index}: data {place} doesn't fit the schema of {type}: {what}; mend the data, or see the schema with `retold types {type}`"
        )
    }
}

impl SchemaBook {
    /// The book for these rows; compiled schemas of `before` are used again. One that doesn't compile
    /// was checked by another version of this host: it is reported and not enforced.
    pub fn next(before: &SchemaBook, rows: &BTreeMap<String, SchemaRow>) -> SchemaBook {
        let mut schemas = BTreeMap::new();
        for (name, row) in rows {
            let known = before.schemas.get(name).filter(|schema| schema.text() == row.json);
            let compiled = match known {
                Some(schema) => Ok(schema.clone()),
                None => Schema::compile(&row.json),
            };
            match compiled {
                Ok(schema) => drop(schemas.insert(name.clone(), schema)),
                Err(error) => tracing::error!(r#type = %name, %error, "the schema can't be used: nothing is checked against it"),
            }
        }
        let rows = rows.iter().map(|(name, row)| (name.clone(), row.json.clone())).collect();
        SchemaBook { version: before.version + 1, schemas, rows }
    }

    /// Whether it was made of these rows.
    pub fn is_of(&self, rows: &BTreeMap<String, SchemaRow>) -> bool {
        self.rows == rows.iter().map(|(name, row)| (name.clone(), row.json.clone())).collect::<BTreeMap<_, _>>()
    }

    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }

    /// Holds data against the schema of its type, if it has one.
    pub fn check(&self, r#type: &str, content_type: &str, data: &[u8]) -> Result<(), Violation> {
        match self.schemas.get(r#type) {
            None => Ok(()),
            Some(schema) => fits(schema, content_type, data),
        }
    }

    /// The first of these that doesn't fit.
    pub fn misfit(&self, events: &[NewEvent]) -> Option<Misfit> {
        if self.is_empty() {
            return None;
        }
        events.iter().enumerate().find_map(|(index, event)| {
            let Violation { path, what, .. } = self.check(&event.r#type, &event.content_type, &event.data).err()?;
            Some(Misfit { index, r#type: event.r#type.clone(), path, what })
        })
    }
}

impl Inside {
    /// The schemas in force.
    pub fn book(&self) -> Book {
        self.book.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of the schemas in force.
    pub fn set_schemas(&self, rows: &BTreeMap<String, SchemaRow>) {
        let before = self.book();
        if !before.is_of(rows) {
            *self.book.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(SchemaBook::next(&before, rows));
        }
    }

    /// Holds an append against the schemas in force; answers their version.
    pub fn check(&self, append: &store::Append) -> Result<u64, DriveError> {
        let book = self.book();
        self.check_events(&book, &append.events)?;
        Ok(book.version)
    }

    /// Refuses what doesn't fit its schema, unless it is in the log already: what stood once stands.
    pub fn check_events(&self, book: &SchemaBook, events: &[NewEvent]) -> Result<(), DriveError> {
        let mut from = 0;
        while let Some(misfit) = book.misfit(&events[from..]) {
            let misfit = Misfit { index: from + misfit.index, ..misfit };
            let event = &events[misfit.index];
            let snapshot = self.reader.snapshot()?;
            if snapshot.find(&event.source, &event.id)?.is_none() {
                return Err(DriveError::Schema(misfit));
            }
            // Known: the writer says whether it is the same.
            from = misfit.index + 1;
        }
        Ok(())
    }
}

/// Holds data against a schema, which only JSON can fit.
pub fn fits(schema: &Schema, content_type: &str, data: &[u8]) -> Result<(), Violation> {
    if !is_json(content_type) {
        let what = format!("the content type is {content_type:?}, and only JSON can fit a schema: send application/json");
        return Err(Violation { path: String::new(), what, keyword: String::new() });
    }
    schema.check(data)
}

/// RFC 6839: `application/json` and whatever ends in `+json`, parameters aside.
fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
        || media.eq_ignore_ascii_case("text/json")
        || media.to_ascii_lowercase().ends_with("+json")
}

/// Shared so that a check needs no lock but to get at it.
pub type Book = Arc<SchemaBook>;

#[cfg(test)]
mod tests {
    use super::*;

    fn book(json: &str) -> SchemaBook {
        let rows = BTreeMap::from([("order.placed".to_owned(), SchemaRow { json: json.to_owned(), module: None })]);
        SchemaBook::next(&SchemaBook::default(), &rows)
    }

    fn event(r#type: &str, content_type: &str, data: &str) -> NewEvent {
        NewEvent { r#type: r#type.into(), content_type: content_type.into(), data: data.into(), ..NewEvent::default() }
    }

    #[test]
    fn the_first_event_that_does_not_fit_is_named_with_the_place_in_its_data() {
        let book = book(r#"{"type":"object","properties":{"quantity":{"type":"integer","minimum":1}}}"#);
        let json = "application/json";
        let good = || event("order.placed", json, r#"{"quantity":1}"#);
        assert_eq!(book.misfit(&[good(), event("other", json, "[]"), event("order.placed", "application/vnd.x+json; a=b", "{}")]), None);
        let misfit = book.misfit(&[good(), event("order.placed", json, r#"{"quantity":0}"#)]).expect("it doesn't fit");
        assert_eq!((misfit.index, misfit.path.as_str()), (1, "/quantity"));
        assert!(misfit.to_string().contains("retold types"), "{misfit}");
        assert!(book.misfit(&[event("order.placed", "text/plain", "{}")]).expect("not JSON").what.contains("application/json"));
    }

    #[test]
    fn a_schema_that_no_longer_compiles_stops_nobody() {
        assert!(book("{").is_empty());
    }
}
