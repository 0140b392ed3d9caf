//! `Reading`: the one read path. Functions, folds, rebuilds and parked events all take their events
//! from here, and so all see old events as upcasters make them new.

use std::sync::Arc;

use super::handler::{Fault, Stopped};
use super::upcast::{Wanted, upcast};
use crate::model::{EventRef, FunctionManifest, Glance, Guest, Manifest, Position, Record};
use crate::store::{Batch, Filter, FunctionRow, Passed, Portion, Snapshot, StoreError, Take, Upcasting};

/// The code of module versions. The server answers with what it has loaded, the simulator with
/// native functions.
pub trait Guests {
    /// The code of the module version with this ordinal; `None` if it isn't loaded.
    fn guest(&self, module: u32) -> Option<Arc<dyn Guest>>;
}

/// Everything that a function can read at one moment, and the code that it is read with.
pub struct Reading<'a> {
    pub snapshot: &'a Snapshot,
    pub guests: &'a dyn Guests,
    upcasting: Arc<Upcasting>,
    /// The code of upcasters that are not deployed yet.
    candidate: Option<Arc<dyn Guest>>,
}

/// No module version has this ordinal.
const CANDIDATE: u32 = u32::MAX;

/// The code of upcasters, deployed or not.
struct Code<'a> {
    guests: &'a dyn Guests,
    candidate: Option<&'a Arc<dyn Guest>>,
}

impl Guests for Code<'_> {
    fn guest(&self, module: u32) -> Option<Arc<dyn Guest>> {
        if module == CANDIDATE { self.candidate.cloned() } else { self.guests.guest(module) }
    }
}

/// What a function reads next.
#[derive(Debug, Default)]
pub struct Taken {
    pub batch: Batch,
    /// Everything up to here was seen.
    pub seen: Position,
    /// The event after those in the batch that can't be read in the form that the function wants.
    pub unreadable: Option<Unreadable>,
    /// Why the host could not run an upcaster now: nothing is known of the events after `seen`.
    pub unavailable: Option<String>,
}

/// A stored event that its upcaster could not turn into a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub position: Position,
    pub subject: String,
    pub hops: u8,
    pub fault: Fault,
}

/// Events turned new at a time: no more is done in vain where one becomes many.
const CHUNK: usize = 256;
/// Where the latest events are looked for, at first; four times as far each time they are too few.
const LATEST_WINDOW: u64 = 4_096;

impl<'a> Reading<'a> {
    pub fn new(snapshot: &'a Snapshot, guests: &'a dyn Guests) -> Reading<'a> {
        Reading { snapshot, guests, upcasting: snapshot.upcasting().clone(), candidate: None }
    }

    /// Reads as if this module were deployed, in the place of its active version if there is one.
    pub fn with_candidate(snapshot: &'a Snapshot, guests: &'a dyn Guests, manifest: &Manifest, guest: Arc<dyn Guest>) -> Reading<'a> {
        let replaced = active_version(snapshot, &manifest.name);
        let upcasting = Arc::new(snapshot.upcasting().with_candidate(replaced, CANDIDATE, manifest));
        Reading { snapshot, guests, upcasting, candidate: Some(guest) }
    }

    /// Reads as if the module with this name were removed.
    pub fn without_module(snapshot: &'a Snapshot, guests: &'a dyn Guests, module: &str) -> Reading<'a> {
        let upcasting = Arc::new(snapshot.upcasting().without(active_version(snapshot, module)));
        Reading { snapshot, guests, upcasting, candidate: None }
    }

    pub fn upcasting(&self) -> &Upcasting {
        &self.upcasting
    }

    /// The events after `after` that the function reads, in the newest form that it subscribes to. At
    /// least one, and else no more than the portion; the parts of one event are never split.
    pub fn take(&self, row: &FunctionRow, after: Position, upto: Position, portion: Portion) -> Result<Taken, StoreError> {
        self.take_as(&row.manifest, after, upto, portion)
    }

    /// The same, each event marked, or left out where `mark` answers `None`.
    pub(super) fn take_marked(
        &self,
        manifest: &FunctionManifest,
        after: Position,
        upto: Position,
        portion: Portion,
        passed: &mut Passed,
        mark: &mut dyn FnMut(&Glance<'_>) -> Option<u32>,
    ) -> Result<Taken, StoreError> {
        let wanted = Wanted::by(manifest, &self.upcasting);
        let mut mark = |_: &Record, event: &Glance<'_>| {
            let mark = if wanted.is_for_reader(event) { mark(event) } else { None };
            mark.map_or(Take::Not, Take::Marked)
        };
        let filter = Filter::types(wanted.stored());
        let (batch, seen) = self.snapshot.collect_marked(after, upto, &filter, portion, passed, &mut mark)?;
        Ok(self.renew(&wanted, batch, seen, portion))
    }

    /// The same for a function that may not be deployed yet.
    pub fn take_as(&self, manifest: &FunctionManifest, after: Position, upto: Position, portion: Portion) -> Result<Taken, StoreError> {
        self.take_marked(manifest, after, upto, portion, &mut Passed::default(), &mut |_| Some(0))
    }

    /// The same of one subject, found by the index: what it costs doesn't grow with the log.
    pub fn take_subject(
        &self,
        row: &FunctionRow,
        subject: &str,
        after: Position,
        upto: Position,
        portion: Portion,
    ) -> Result<Taken, StoreError> {
        let wanted = Wanted::by(&row.manifest, &self.upcasting);
        let (batch, seen) = self.snapshot.collect_subject(subject, &Filter::types(wanted.stored()), after, upto, portion)?;
        Ok(self.renew(&wanted, batch, seen, portion))
    }

    /// The events at these positions, in the newest form that the function subscribes to.
    pub fn pick(&self, manifest: &FunctionManifest, positions: &[Position]) -> Result<Taken, StoreError> {
        self.pick_marked(manifest, positions, &mut |_| Some(0))
    }

    /// The same, each event marked, or left out where `mark` answers `None`.
    pub(super) fn pick_marked(
        &self,
        manifest: &FunctionManifest,
        positions: &[Position],
        mark: &mut dyn FnMut(&Glance<'_>) -> Option<u32>,
    ) -> Result<Taken, StoreError> {
        let wanted = Wanted::by(manifest, &self.upcasting);
        let mut batch = self.snapshot.pick(positions)?;
        let stored = Filter::types(wanted.stored());
        batch.mark_stored(&mut |event| if stored.matches(event) && wanted.is_for_reader(event) { mark(event) } else { None });
        let seen = positions.last().copied().unwrap_or_default();
        Ok(self.renew(&wanted, batch, seen, Portion { events: usize::MAX, bytes: usize::MAX }))
    }

    /// Everything in its newest form; the filter's types are those of the new forms.
    pub fn all(&self, after: Position, upto: Position, filter: &Filter, portion: Portion) -> Result<Taken, StoreError> {
        let wanted = Wanted::newest(filter.types.clone(), &self.upcasting);
        let filter = Filter { types: wanted.stored(), ..filter.clone() };
        let (batch, seen) = self.snapshot.collect(after, upto, &filter, portion)?;
        Ok(self.renew(&wanted, batch, seen, portion))
    }

    /// The stored events that the filter wants, each in its newest form, whatever that is.
    pub(super) fn newest_of_stored(&self, after: Position, upto: Position, stored: &Filter, portion: Portion) -> Result<Taken, StoreError> {
        let (batch, seen) = self.snapshot.collect(after, upto, stored, portion)?;
        Ok(self.renew(&Wanted::newest(Vec::new(), &self.upcasting), batch, seen, portion))
    }

    /// The last events that the function reads, about as many as asked for, oldest first.
    pub fn latest(&self, manifest: &FunctionManifest, events: usize) -> Result<Taken, StoreError> {
        let wanted = Wanted::by(manifest, &self.upcasting);
        let filter = Filter::types(wanted.stored());
        let head = self.snapshot.head();
        let mut window = LATEST_WINDOW;
        loop {
            let from = Position(head.0.saturating_sub(window));
            let mut positions = Vec::new();
            self.snapshot.scan(from, head, &filter, &mut |event| {
                positions.extend(wanted.is_addressed(&event).then_some(event.position));
                std::ops::ControlFlow::Continue(())
            })?;
            if positions.len() < events && from > Position::START {
                window = window.saturating_mul(4);
                continue;
            }
            let first = positions[positions.len().saturating_sub(events)..].first().copied().unwrap_or(head.next());
            return self.take_as(manifest, Position(first.0 - 1), head, Portion { events, bytes: usize::MAX });
        }
    }

    /// The stored events as their reader wants them.
    fn renew(&self, wanted: &Wanted, mut batch: Batch, seen: Position, portion: Portion) -> Taken {
        if wanted.as_stored() {
            return Taken { batch, seen, ..Taken::default() };
        }
        let events = batch.events();
        if events.len() < batch.len() {
            drop(events);
            batch.leave_out_damaged();
            return self.renew(wanted, batch, seen, portion);
        }
        if events.iter().all(|event| !wanted.upcasts(event.r#type) && wanted.delivers(event.r#type)) {
            drop(events);
            return Taken { batch, seen, ..Taken::default() };
        }
        let mut taken = Taken { seen, ..Taken::default() };
        let mut index = 0;
        for chunk in events.chunks(CHUNK) {
            let code = Code { guests: self.guests, candidate: self.candidate.as_ref() };
            let (forms, stopped) = upcast(&code, &self.upcasting, wanted, chunk);
            let whole = forms.len() == chunk.len();
            for (event, parts) in chunk.iter().zip(forms) {
                take_along(&mut taken.batch, (&batch, index), event, parts, wanted);
                index += 1;
                let full = taken.batch.len() >= portion.events || taken.batch.bytes() >= portion.bytes;
                if full && index < events.len() {
                    taken.seen = event.position;
                    return taken;
                }
            }
            if !whole {
                stop(&mut taken, &events[index], stopped);
                return taken;
            }
        }
        taken
    }
}

fn active_version(snapshot: &Snapshot, module: &str) -> Option<u32> {
    snapshot.modules().find(|version| version.active && version.name == module).map(|version| version.ordinal)
}

/// `None`: the event is as it is stored.
fn take_along(out: &mut Batch, (batch, index): (&Batch, usize), event: &EventRef<'_>, forms: super::upcast::Forms, wanted: &Wanted) {
    match forms {
        None if wanted.delivers(event.r#type) => out.push_of(batch, index, None),
        None => out.push_nothing(event.position),
        Some(parts) => {
            let before = out.len();
            for part in parts.into_iter().filter(|part| wanted.delivers(&part.r#type)) {
                out.push_of(batch, index, Some(part));
            }
            if out.len() == before {
                out.push_nothing(event.position);
            }
        }
    }
}

fn stop(taken: &mut Taken, event: &EventRef<'_>, stopped: Option<Stopped>) {
    taken.seen = Position(event.position.0 - 1);
    match stopped {
        Some(Stopped::Failed(fault)) => {
            taken.unreadable = Some(Unreadable { position: event.position, subject: event.subject.to_owned(), hops: event.hops, fault });
        }
        Some(Stopped::Unavailable(why)) => taken.unavailable = Some(why),
        None => taken.unavailable = Some("an upcaster stopped without a reason".to_owned()),
    }
}
