//! Which types there are in the log, counted while it grows: nobody reads it through for that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::StoreError;
use super::snapshot::Snapshot;
use crate::model::{Kind, Position};

/// How often a type is in the log, and where first and last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCount {
    pub r#type: String,
    pub kind: Kind,
    pub count: u64,
    pub first: Position,
    pub last: Position,
}

/// Before the names of types of what is no event, in a segment's table; no type begins with one of these.
const KINDS: [(Kind, char); 3] = [(Kind::Command, '\u{1}'), (Kind::Timer, '\u{2}'), (Kind::Request, '\u{3}')];

impl TypeCount {
    /// What a segment's table of types has it under.
    pub fn key(kind: Kind, r#type: &str) -> Cow<'_, str> {
        match KINDS.iter().find(|(other, _)| *other == kind) {
            None => Cow::Borrowed(r#type),
            Some((_, mark)) => Cow::Owned(format!("{mark}{}", r#type)),
        }
    }

    pub fn from_key(key: &str) -> (Kind, &str) {
        let marked = KINDS.iter().find_map(|(kind, mark)| Some((*kind, key.strip_prefix(*mark)?)));
        marked.unwrap_or((Kind::Event, key))
    }

    /// Takes what comes later into account.
    pub fn add(&mut self, later: &TypeCount) {
        self.count += later.count;
        self.last = later.last;
    }
}

impl Snapshot {
    /// The types of everything durable now, which may be a little more than this snapshot shows, by
    /// name; a type of events and of commands is there twice.
    pub fn types(&self) -> Result<Vec<TypeCount>, StoreError> {
        // In this order, since what the tail forgets is in a segment by then.
        let tail: Vec<(Position, Vec<TypeCount>)> = self.shared.tail().types();
        let view = self.shared.view();
        let mut all: BTreeMap<(String, Kind), TypeCount> = BTreeMap::new();
        let mut add = |seen: TypeCount| match all.get_mut(&(seen.r#type.clone(), seen.kind)) {
            Some(before) => before.add(&seen),
            None => drop(all.insert((seen.r#type.clone(), seen.kind), seen)),
        };
        for segment in view.segments.iter() {
            segment.types()?.into_iter().for_each(&mut add);
        }
        tail.into_iter().filter(|(first, _)| *first > view.sealed()).flat_map(|(_, types)| types).for_each(add);
        Ok(all.into_values().collect())
    }
}
