//! Appends: events from outside, new or known, under a condition or in a stream.

use std::collections::VecDeque;

use super::error::StoreError;
use super::group::{Group, content_refused};
use super::proposal::{Append, Appended, Refused};
use super::terms::HashedMap;
use crate::model::{Kind, NewEvent, Position, limits};

/// Broken streams remembered; each has but a few parts under way when it breaks.
const BROKEN_STREAMS: usize = 1_024;

/// From now on every part of the stream is refused.
pub fn note_broken(broken: &mut VecDeque<u64>, stream: u64) {
    if broken.len() == BROKEN_STREAMS {
        broken.pop_front();
    }
    broken.push_back(stream);
}

impl Group<'_> {
    pub(super) fn append_in_stream(&mut self, append: Append) -> Result<Result<Appended, Refused>, StoreError> {
        let Some(stream) = append.stream else { return self.append(append) };
        if self.broken.contains(&stream) {
            return Ok(Err(Refused::StreamBroken));
        }
        let answer = self.append(append)?;
        if answer.is_err() {
            note_broken(self.broken, stream);
        }
        Ok(answer)
    }

    fn append(&mut self, append: Append) -> Result<Result<Appended, Refused>, StoreError> {
        if let Err(refused) = check_append(&append) {
            return Ok(Err(refused));
        }
        let hashes: Vec<u64> = append.events.iter().map(|event| self.shared.hasher.id(&event.source, &event.id)).collect();
        let mut known: Vec<Known> = match self.known(&append.events, &hashes)? {
            Ok(known) => known,
            Err(refused) => return Ok(Err(refused)),
        };
        let new = known.iter().filter(|known| matches!(known, Known::New)).count();
        if new > 0
            && let Some(condition) = &append.condition
            && let Some(found) = self.first_match(condition)?
        {
            return Ok(Err(Refused::Condition { after: condition.after, found }));
        }
        let mut positions = Vec::with_capacity(known.len());
        for (index, event) in append.events.iter().enumerate() {
            let position = match std::mem::replace(&mut known[index], Known::New) {
                Known::At(position) => position,
                Known::SameAs(earlier) => positions[earlier],
                Known::New => self.add(hashes[index], event),
            };
            positions.push(position);
        }
        Ok(Ok(Appended { positions, new }))
    }

    fn add(&mut self, hash: u64, event: &NewEvent) -> Position {
        let position = self.builder.add_source(event);
        self.index(position, hash, (Kind::Event, &event.r#type, &event.subject), &event.tags);
        position
    }

    /// Which of the events the log or the request itself has already.
    fn known(&mut self, events: &[NewEvent], hashes: &[u64]) -> Result<Result<Vec<Known>, Refused>, StoreError> {
        let mut known = Vec::with_capacity(events.len());
        let mut here: HashedMap<usize> = HashedMap::default();
        let suspects = self.suspects(hashes)?;
        for (index, event) in events.iter().enumerate() {
            let mut found = Known::New;
            for position in self.positions(hashes[index], suspects[index])? {
                let judged = self.with_event(position, |stored| {
                    (stored.source == event.source && stored.id == event.id).then(|| stored.same_content(Kind::Event, event))
                })?;
                match judged {
                    None => {}
                    Some(true) => found = Known::At(position),
                    Some(false) => return Ok(Err(content_refused(index, event, position))),
                }
            }
            if events.len() > 1
                && matches!(found, Known::New)
                && let Some(earlier) = here.insert(hashes[index], index)
            {
                let other = &events[earlier];
                if other.source == event.source && other.id == event.id {
                    here.insert(hashes[index], earlier);
                    if !same_request_content(other, event) {
                        return Ok(Err(content_refused(index, event, self.builder.next())));
                    }
                    found = Known::SameAs(earlier);
                }
            }
            if matches!(found, Known::New)
                && let Err(refused) = self.unless_forgotten(index, &event.source, &event.id)?
            {
                return Ok(Err(refused));
            }
            known.push(found);
        }
        Ok(Ok(known))
    }
}

enum Known {
    New,
    At(Position),
    /// As an earlier one in the request.
    SameAs(usize),
}

fn check_append(append: &Append) -> Result<(), Refused> {
    let too_large = |what, found, max| if found > max { Err(Refused::TooLarge { what, found, max }) } else { Ok(()) };
    too_large("events", append.events.len(), limits::EVENTS_PER_APPEND_MAX)?;
    too_large("bytes", append.events.iter().map(NewEvent::bytes).sum(), limits::APPEND_BYTES_MAX)?;
    if let Some(condition) = &append.condition {
        too_large("condition terms", condition.types.len() + condition.subjects.len() + condition.tags.len(), limits::FILTER_TERMS_MAX)?;
    }
    for (index, event) in append.events.iter().enumerate() {
        event.check().map_err(|(field, what)| Refused::Field { index, field, what })?;
    }
    Ok(())
}

fn same_request_content(one: &NewEvent, other: &NewEvent) -> bool {
    one.r#type == other.r#type
        && one.subject == other.subject
        && one.data == other.data
        && one.content_type == other.content_type
        && one.tags == other.tags
        && one.time == other.time
}
