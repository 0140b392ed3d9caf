//! `Batch`: events that a reader took along, where they lie, or as upcasters made them new.

use std::sync::Arc;

use super::scan::Portion;
use crate::model::{EventRef, Position, Record};

/// Oldest first. The parts that an upcaster made of one event share its position and stand together.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Arc<Record>>,
    places: Vec<Place>,
    parts: Vec<Part>,
    /// Events of which upcasters made nothing: read, and nothing to hand on.
    nothing: Vec<Position>,
    bytes: usize,
}

/// What an upcaster made of an event; all else is as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub r#type: String,
    pub content_type: String,
    pub data: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    record: u32,
    /// Index into the parts, or [`STORED`].
    part: u32,
    position: Position,
}

const STORED: u32 = u32::MAX;

impl Part {
    /// The event with this in the place of what is stored.
    pub fn over<'a>(&'a self, stored: &EventRef<'a>) -> EventRef<'a> {
        EventRef { r#type: &self.r#type, content_type: &self.content_type, data: &self.data, ..*stored }
    }
}

impl Batch {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_full(&self, portion: Portion) -> bool {
        self.len() >= portion.events || self.bytes >= portion.bytes
    }

    /// The events, oldest first.
    pub fn events(&self) -> Vec<EventRef<'_>> {
        self.places.iter().filter_map(|place| self.event_at(place)).collect()
    }

    fn event_at(&self, place: &Place) -> Option<EventRef<'_>> {
        let stored = self.records[place.record as usize].event(place.position)?;
        Some(if place.part == STORED { stored } else { self.parts[place.part as usize].over(&stored) })
    }

    /// The record that holds the event with this index.
    pub fn record(&self, index: usize) -> &Arc<Record> {
        &self.records[self.places[index].record as usize]
    }

    /// Events that were read and of which upcasters made nothing, oldest first.
    pub fn nothing(&self) -> &[Position] {
        &self.nothing
    }

    /// Takes one event along.
    pub fn push(&mut self, record: &Arc<Record>, event: &EventRef<'_>) {
        self.place(record, event, STORED);
    }

    /// Takes along what an upcaster made of an event.
    pub fn push_part(&mut self, record: &Arc<Record>, stored: &EventRef<'_>, part: Part) {
        self.parts.push(part);
        let index = self.parts.len() as u32 - 1;
        self.bytes += self.parts[index as usize].data.len();
        self.place(record, stored, index);
    }

    pub fn push_nothing(&mut self, position: Position) {
        self.nothing.push(position);
    }

    fn place(&mut self, record: &Arc<Record>, event: &EventRef<'_>, part: u32) {
        if self.records.last().is_none_or(|last| !Arc::ptr_eq(last, record)) {
            self.records.push(record.clone());
        }
        self.places.push(Place { record: self.records.len() as u32 - 1, part, position: event.position });
        self.bytes += event.data.len() + event.subject.len() + event.id.len() + 64;
    }
}
