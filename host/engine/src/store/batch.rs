//! `Batch`: events that a reader took along, where they lie, or as upcasters made them new.

use std::sync::{Arc, OnceLock};

use super::scan::Portion;
use crate::model::{EventRef, Glance, Position, Record};

/// Events that are asked of memory at once: as many as a processor waits for side by side.
const FETCHED_AT_ONCE: usize = 16;

/// Oldest first. The parts that an upcaster made of one event share its position and stand together.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Arc<Record>>,
    places: Vec<Place>,
    parts: Vec<Part>,
    /// Events of which upcasters made nothing: read, and nothing to hand on.
    nothing: Vec<Position>,
    bytes: usize,
    /// The events by their marks, once somebody has asked for those of one.
    by_mark: OnceLock<Box<ByMark>>,
}

/// Indices of the events of each mark, one mark after the other.
#[derive(Debug, Default)]
struct ByMark {
    indices: Vec<u32>,
    /// Where those of each mark end.
    ends: Vec<u32>,
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
    /// Where in its record it lies.
    offset: u32,
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
        self.by_mark.take();
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
    pub fn mark_stored(&mut self, mark: &mut dyn FnMut(&Glance<'_>) -> Option<u32>) {
        let Batch { records, places, by_mark, .. } = self;
        by_mark.take();
        places.retain_mut(|place| {
            let marked = records[place.record as usize].glance_at(place.offset, place.position).and_then(|event| mark(&event));
            place.mark = marked.unwrap_or(place.mark);
            marked.is_some()
        });
    }

    /// Leaves out what can't be decoded: bytes that no writer of ours wrote.
    pub fn leave_out_damaged(&mut self) {
        self.by_mark.take();
        let mut places = std::mem::take(&mut self.places);
        places.retain(|place| self.glance(place).is_some_and(|event| event.event().is_some()));
        self.places = places;
    }

    /// Marks the events anew: as many shares as `lanes`, one after the other, about equal. The parts of one
    /// event stay together.
    pub fn mark_shares(&mut self, lanes: usize) {
        let share = self.places.len().div_ceil(lanes.max(1)).max(1);
        let mut last = (Position::START, 0);
        self.by_mark.take();
        for (index, place) in self.places.iter_mut().enumerate() {
            if place.position != last.0 {
                last = (place.position, (index / share) as u32);
            }
            place.mark = last.1;
        }
    }

    /// How many have this mark; all where it is `None`.
    pub fn count(&self, mark: Option<u32>) -> usize {
        mark.map_or(self.len(), |mark| self.marked(mark).len())
    }

    /// Indices of the events with this mark.
    fn marked(&self, mark: u32) -> &[u32] {
        let ByMark { indices, ends } = &**self.by_mark.get_or_init(|| Box::new(ByMark::of(&self.places)));
        let end_of = |mark: u32| ends.get(mark as usize).map_or(indices.len(), |end| *end as usize);
        let start = mark.checked_sub(1).map_or(0, end_of);
        &indices[start..end_of(mark)]
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
        let indices = mark.map(|mark| self.marked(mark));
        Walk { batch: self, indices, next: 0, fetched: 0, stored: None }
    }

    pub fn mark(&self, index: usize) -> u32 {
        self.places[index].mark
    }

    /// The stored event with this index.
    pub fn stored(&self, index: usize) -> Option<EventRef<'_>> {
        self.stored_glance(index)?.event()
    }

    /// The same, to be decoded as far as it is asked for.
    pub fn stored_glance(&self, index: usize) -> Option<Glance<'_>> {
        self.glance(self.places.get(index)?)
    }

    #[inline]
    fn glance(&self, place: &Place) -> Option<Glance<'_>> {
        self.records[place.record as usize].glance_at(place.offset, place.position)
    }

    /// Events that were read and of which upcasters made nothing, oldest first.
    pub fn nothing(&self) -> &[Position] {
        &self.nothing
    }

    /// Takes one event along.
    pub fn push(&mut self, record: &Arc<Record>, event: &Glance<'_>, mark: u32) {
        self.bytes += event.bytes();
        self.place(record, Place { record: 0, part: STORED, position: event.position, mark, offset: event.offset });
    }

    /// Takes along another batch's stored event with this index, with its mark: as it is, or what an upcaster made of it.
    pub fn push_of(&mut self, other: &Batch, index: usize, part: Option<Part>) {
        let place = other.places[index];
        let record = &other.records[place.record as usize];
        self.bytes += other.glance(&place).map_or(0, |event| event.bytes()) + part.as_ref().map_or(0, |part| part.data.len());
        let index = part.map_or(STORED, |part| {
            self.parts.push(part);
            self.parts.len() as u32 - 1
        });
        self.place(record, Place { part: index, ..place });
    }

    pub fn push_nothing(&mut self, position: Position) {
        self.nothing.push(position);
    }

    /// Adds a place in this record.
    fn place(&mut self, record: &Arc<Record>, place: Place) {
        if self.records.last().is_none_or(|last| !Arc::ptr_eq(last, record)) {
            self.records.push(record.clone());
        }
        self.by_mark.take();
        self.places.push(Place { record: self.records.len() as u32 - 1, ..place });
    }
}

impl ByMark {
    fn of(places: &[Place]) -> ByMark {
        let marks = places.iter().map(|place| place.mark as usize + 1).max().unwrap_or_default();
        let mut ends = vec![0u32; marks];
        places.iter().for_each(|place| ends[place.mark as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum - *end;
        }
        // Each is where the events of its mark begin, and where they end once they are in.
        let mut indices = vec![0; places.len()];
        for (index, place) in (0..).zip(places) {
            let at = &mut ends[place.mark as usize];
            indices[*at as usize] = index;
            *at += 1;
        }
        ByMark { indices, ends }
    }
}

/// Decodes the events of a batch one after the other.
pub struct Walk<'a> {
    batch: &'a Batch,
    /// Of those to be walked over; `None`: all are.
    indices: Option<&'a [u32]>,
    next: usize,
    /// Up to there events were asked of memory.
    fetched: usize,
    /// The stored event that was decoded last for a part of it: parts share it.
    stored: Option<EventRef<'a>>,
}

impl<'a> Walk<'a> {
    /// The position of the event that comes next.
    pub fn upcoming(&self) -> Option<Position> {
        Some(self.place(self.next)?.position)
    }

    fn place(&self, at: usize) -> Option<&'a Place> {
        let index = match self.indices {
            Some(indices) => *indices.get(at)? as usize,
            None => at,
        };
        self.batch.places.get(index)
    }

    /// Asks memory for the events that come next, all at once: where those of a lane lie here and there in a portion, who
    /// decodes one after the other waits for each.
    fn fetch(&mut self) {
        let mut places = [(0, 0); FETCHED_AT_ONCE];
        let upcoming = (self.next..).map_while(|at| self.place(at));
        let count = places.iter_mut().zip(upcoming).map(|(kept, place)| *kept = (place.record, place.offset)).count();
        let bytes = places[..count].iter().map(|(record, offset)| self.batch.records[*record as usize].fetch_at(*offset));
        // What is asked for hangs on nothing that was read before: the processor doesn't wait in between.
        std::hint::black_box(bytes.fold(0, |all, byte| all ^ byte));
        self.fetched = self.next + FETCHED_AT_ONCE;
    }

    fn stored(&mut self, place: &Place) -> Option<EventRef<'a>> {
        if self.stored.as_ref().is_none_or(|stored| stored.position != place.position) {
            self.stored = self.batch.glance(place)?.event();
        }
        self.stored
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = EventRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EventRef<'a>> {
        loop {
            if self.next >= self.fetched {
                self.fetch();
            }
            let place = self.place(self.next)?;
            self.next += 1;
            // An event as it is stored stands here once, and is too much to be copied for nothing.
            let event = match place.part {
                STORED => self.batch.glance(place).and_then(|event| event.event()),
                part => self.stored(place).map(|stored| self.batch.parts[part as usize].over(&stored)),
            };
            if event.is_some() {
                return event;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::{Filter, Take};
    use super::super::story::{append, tell_on};
    use super::super::testing;
    use super::*;

    /// Five records of 1, 40, 7, 100 and 3 events, marked by their positions; then some that came long before, as released ones do.
    fn marked(marks: u64) -> Batch {
        let mut store = testing::store();
        let mut ids = (1..).map(|id: u32| id.to_string());
        for (number, events) in [1, 40, 7, 100, 3].into_iter().enumerate() {
            let ids: Vec<String> = ids.by_ref().take(events).collect();
            tell_on(&mut store, number, vec![append(&ids.iter().map(String::as_str).collect::<Vec<_>>())]);
        }
        let snapshot = store.reader().snapshot().expect("a snapshot");
        let all = Portion { events: usize::MAX, bytes: usize::MAX };
        let mut mark = |_: &Record, event: &Glance<'_>| Take::Marked((event.position.0 * event.position.0 % marks) as u32);
        let read = snapshot.collect_marked(Position::START, snapshot.head(), &Filter::default(), all, &mut Default::default(), &mut mark);
        let mut batch = read.expect("nothing fails in memory").0;
        batch.append(snapshot.pick(&[Position(9), Position(3), Position(150)]).expect("they are there"));
        batch
    }

    #[track_caller]
    fn check(batch: &Batch, marks: u32) {
        let shown = |event: EventRef<'_>| (event.position, event.to_event());
        let all: Vec<_> = batch.events().into_iter().map(shown).collect();
        assert_eq!(all.len(), batch.len());
        for mark in 0..=marks {
            let expected: Vec<_> =
                (0..).zip(&all).filter(|(index, _)| batch.mark(*index) == mark).map(|(_, event)| event.clone()).collect();
            let mut walk = batch.walk(Some(mark));
            assert_eq!(walk.upcoming(), expected.first().map(|(position, _)| *position), "{mark} of {marks}");
            assert_eq!(walk.by_ref().map(shown).collect::<Vec<_>>(), expected, "{mark} of {marks}");
            assert_eq!((walk.upcoming(), batch.count(Some(mark))), (None, expected.len()), "{mark} of {marks}");
        }
    }

    #[test]
    fn events_of_one_mark_are_those_of_all_with_that_mark_in_their_order() {
        for marks in [1, 2, 7, 16, 200] {
            check(&marked(marks), marks as u32);
        }
    }

    #[test]
    fn what_is_marked_anew_or_added_is_walked_over_as_it_is_then() {
        let mut batch = marked(3);
        check(&batch, 3);
        batch.append(marked(5));
        check(&batch, 5);
        batch.mark_stored(&mut |event| (event.position.0 % 2 == 0).then_some(event.position.0 as u32 % 4));
        check(&batch, 4);
        batch.mark_shares(6);
        check(&batch, 6);
        let (record, first) = (batch.records[batch.places[0].record as usize].clone(), batch.places[0].position);
        batch.push(&record, &record.glance(first).expect("it is there"), 7);
        check(&batch, 7);
    }

    #[test]
    fn events_that_are_damaged_are_passed_over_and_can_be_left_out() {
        let mut batch = marked(2);
        let whole = batch.len();
        for index in [0, 7, whole - 1] {
            batch.places[index].offset = u32::MAX;
        }
        assert_eq!((batch.events().len(), batch.len()), (whole - 3, whole));
        batch.leave_out_damaged();
        assert_eq!(batch.len(), whole - 3);
        check(&batch, 2);
    }

    #[test]
    fn what_an_upcaster_made_of_an_event_stands_in_its_place() {
        let stored = marked(1);
        let mut batch = Batch::default();
        for index in [0, 60, 61] {
            for part in 0..2 {
                let part = Part { r#type: format!("a.{part}"), content_type: "text/plain".into(), data: vec![part] };
                batch.push_of(&stored, index, Some(part));
            }
        }
        batch.places.iter_mut().for_each(|place| place.mark = u32::from(place.position > Position(1)));
        let seen: Vec<_> = batch.walk(Some(1)).map(|event| (event.position, event.r#type.to_owned(), event.data.to_vec())).collect();
        let of = |position, part: u8| (Position(position), format!("a.{part}"), vec![part]);
        assert_eq!(seen, [of(61, 0), of(61, 1), of(62, 0), of(62, 1)]);
        check(&batch, 1);
    }
}
