//! `Batch`: events that a reader took along, where they lie, or as upcasters made them new.

use std::sync::Arc;

use super::scan::Portion;
use crate::model::{EventRef, Events, Position, Record};

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
    /// Whatever the reader marked the event with.
    mark: u32,
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

    /// Takes over all that another one has, after its own.
    pub fn append(&mut self, mut other: Batch) {
        let (records, parts) = (self.records.len() as u32, self.parts.len() as u32);
        self.places.extend(other.places.into_iter().map(|place| Place {
            record: place.record + records,
            part: if place.part == STORED { STORED } else { place.part + parts },
            ..place
        }));
        self.records.append(&mut other.records);
        self.parts.append(&mut other.parts);
        self.nothing.append(&mut other.nothing);
        self.bytes += other.bytes;
    }

    /// Marks events that are as they are stored; those without a mark are left out.
    pub fn mark_stored(&mut self, mark: &mut dyn FnMut(&EventRef<'_>) -> Option<u32>) {
        let Batch { records, places, .. } = self;
        places.retain_mut(|place| {
            let marked = records[place.record as usize].event(place.position).and_then(|event| mark(&event));
            place.mark = marked.unwrap_or(place.mark);
            marked.is_some()
        });
    }

    /// Marks the events anew: as many shares as `lanes`, one after the other, about equal. The parts of one
    /// event stay together.
    pub fn mark_shares(&mut self, lanes: usize) {
        let share = self.places.len().div_ceil(lanes.max(1)).max(1);
        let mut last = (Position::START, 0);
        for (index, place) in self.places.iter_mut().enumerate() {
            if place.position != last.0 {
                last = (place.position, (index / share) as u32);
            }
            place.mark = last.1;
        }
    }

    /// How many have this mark; all where it is `None`.
    pub fn count(&self, mark: Option<u32>) -> usize {
        mark.map_or(self.len(), |mark| self.places.iter().filter(|place| place.mark == mark).count())
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
        let mut events = Vec::with_capacity(self.len());
        events.extend(self.walk(None));
        events
    }

    /// The events with this mark, or all, oldest first: each is decoded when it is asked for.
    pub fn walk(&self, mark: Option<u32>) -> Walk<'_> {
        Walk { batch: self, places: self.places.iter(), mark, record: u32::MAX, events: None, stored: None }
    }

    pub fn mark(&self, index: usize) -> u32 {
        self.places[index].mark
    }

    /// The stored event with this index.
    pub fn stored(&self, index: usize) -> Option<EventRef<'_>> {
        let place = &self.places[index];
        self.records[place.record as usize].event(place.position)
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
    pub fn push(&mut self, record: &Arc<Record>, event: &EventRef<'_>, mark: u32) {
        self.place(record, event, STORED, mark);
    }

    /// Takes along what an upcaster made of an event.
    pub fn push_part(&mut self, record: &Arc<Record>, stored: &EventRef<'_>, part: Part, mark: u32) {
        self.parts.push(part);
        let index = self.parts.len() as u32 - 1;
        self.bytes += self.parts[index as usize].data.len();
        self.place(record, stored, index, mark);
    }

    pub fn push_nothing(&mut self, position: Position) {
        self.nothing.push(position);
    }

    fn place(&mut self, record: &Arc<Record>, event: &EventRef<'_>, part: u32, mark: u32) {
        if self.records.last().is_none_or(|last| !Arc::ptr_eq(last, record)) {
            self.records.push(record.clone());
        }
        self.places.push(Place { record: self.records.len() as u32 - 1, part, position: event.position, mark });
        self.bytes += event.data.len() + event.subject.len() + event.id.len() + 64;
    }
}

/// Decodes the events of a batch one after the other.
pub struct Walk<'a> {
    batch: &'a Batch,
    places: std::slice::Iter<'a, Place>,
    mark: Option<u32>,
    /// The record that `events` reads.
    record: u32,
    events: Option<Events<'a>>,
    /// The stored event that was decoded last for a part of it: parts share it.
    stored: Option<EventRef<'a>>,
}

/// Events of a record that are passed over before one is looked up by its place instead.
const PASSED_MAX: u64 = 64;

impl<'a> Walk<'a> {
    /// The stored event with this index: costs little if it comes soon after the last one.
    pub fn stored_at(&mut self, index: usize) -> Option<EventRef<'a>> {
        let batch = self.batch;
        self.decode(batch.places.get(index)?)
    }

    /// The position of the event that comes next.
    pub fn upcoming(&self) -> Option<Position> {
        let mut left = self.places.as_slice().iter();
        left.find(|place| self.mark.is_none_or(|mark| mark == place.mark)).map(|place| place.position)
    }

    fn stored(&mut self, place: &Place) -> Option<EventRef<'a>> {
        if self.stored.as_ref().is_none_or(|stored| stored.position != place.position) {
            self.stored = self.decode(place);
        }
        self.stored
    }

    fn decode(&mut self, place: &Place) -> Option<EventRef<'a>> {
        let record = &self.batch.records[place.record as usize];
        if self.record != place.record {
            (self.record, self.events) = (place.record, Some(record.events()));
        }
        let events = self.events.as_mut()?;
        match place.position.0.checked_sub(events.upcoming().0) {
            Some(passed @ 0..=PASSED_MAX) => {
                events.pass(passed);
                events.next()
            }
            _ => record.event(place.position),
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = EventRef<'a>;

    fn next(&mut self) -> Option<EventRef<'a>> {
        loop {
            let place = self.places.next()?;
            if self.mark.is_some_and(|mark| mark != place.mark) {
                continue;
            }
            // An event as it is stored stands here once, and is too much to be copied for nothing.
            let event = match place.part {
                STORED => self.decode(place),
                part => self.stored(place).map(|stored| self.batch.parts[part as usize].over(&stored)),
            };
            if event.is_some() {
                return event;
            }
        }
    }
}
