//! Commands: known or new, in conflict or not, recorded with their events or not at all.

use super::error::StoreError;
use super::function::FunctionRow;
use super::group::{Group, content_refused};
use super::proposal::{Decided, Decision, Refused};
use super::snapshot::Snapshot;
use super::terms::Term;
use super::upcasting::Upcasting;
use crate::model::{
    EventRef, FunctionKind, Kind, NewEvent, Position, aggregate_source, decided, is_reserved_source, is_reserved_type, limits,
};
use crate::plant::{Bug, planted};

/// What is wrong with a command whoever decides it.
pub fn check_command(command: &NewEvent) -> Result<(), Refused> {
    let field = |field, what: &str| Refused::Field { index: 0, field, what: what.to_owned() };
    command.check().map_err(|(name, what)| field(name, &what))?;
    if command.subject.is_empty() {
        return Err(field("subject", "is missing or empty: a command is decided for one subject"));
    }
    if is_reserved_type(&command.r#type) {
        return Err(field("type", "begins with retold.: such types are the host's own"));
    }
    if is_reserved_source(&command.source) {
        return Err(field("source", "is one that only the host writes: use your own"));
    }
    if command.data.len() > limits::EVENT_BYTES_MAX {
        return Err(Refused::TooLarge { what: "bytes of data", found: command.data.len(), max: limits::EVENT_BYTES_MAX });
    }
    Ok(())
}

/// Whether an entry came of the command at `command`. Nobody else names a command as a cause.
fn came_of(command: Position, entry: &EventRef<'_>) -> bool {
    entry.cause == Some(command)
}

impl Group<'_> {
    pub fn decide(&mut self, decision: Decision) -> Result<Result<Decided, Refused>, StoreError> {
        let command = &decision.command;
        if let Err(refused) = check_command(command) {
            return Ok(Err(refused));
        }
        let hash = self.shared.hasher.id(&command.source, &command.id);
        if let Some(position) = self.known_id(hash, &command.source, &command.id)? {
            return self.repeated(command, position);
        }
        if let Err(refused) = self.unless_forgotten(0, &command.source, &command.id)? {
            return Ok(Err(refused));
        }
        let row = match self.decider(&decision) {
            Ok(row) => row,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Some(found) = self.evolved_since(&row, &command.subject, decision.folded)?
            && !planted(Bug::ConflictNotSeen)
        {
            return Ok(Err(Refused::Conflict { subject: command.subject.clone(), folded: decision.folded, found }));
        }
        let at = self.builder.next();
        let events = match decided(&row.manifest, command, at, decision.time, &decision.events) {
            Ok(events) => events,
            Err(wrong) => return Ok(Err(Refused::Field { index: wrong.index, field: wrong.field, what: wrong.what })),
        };
        let source = aggregate_source(&row.name);
        let hashes: Vec<u64> = events.iter().map(|event| self.shared.hasher.id(&source, &event.id)).collect();
        for (index, event) in events.iter().enumerate() {
            if let Some(position) = self.known_id(hashes[index], &source, &event.id)? {
                let taken = NewEvent { id: event.id.clone(), source, ..NewEvent::default() };
                return Ok(Err(content_refused(index, &taken, position)));
            }
        }
        assert_eq!(self.builder.add_command(command, decision.time), at);
        self.index(at, hash, (Kind::Command, &command.r#type, &command.subject), &command.tags);
        let mut positions = Vec::with_capacity(events.len());
        for (event, hash) in events.iter().zip(hashes) {
            let position = self.builder.add_decided(&source, decision.module, event);
            self.index(position, hash, (Kind::Event, &event.r#type, &event.subject), &event.tags);
            positions.push(position);
        }
        if let Some(snapshot) = decision.snapshot {
            // A cache: one that can't be kept is no reason to refuse a command.
            let _ = self.keep_snapshot(snapshot);
        }
        Ok(Ok(Decided { command: at, events: positions, new: true }))
    }

    pub(super) fn known_id(&mut self, hash: u64, source: &str, id: &str) -> Result<Option<Position>, StoreError> {
        let suspect = self.suspects(&[hash])?[0];
        for position in self.positions(hash, suspect)? {
            if self.with_event(position, |stored| stored.source == source && stored.id == id)? {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// The answer to a command whose id is known: its first one.
    fn repeated(&mut self, command: &NewEvent, position: Position) -> Result<Result<Decided, Refused>, StoreError> {
        if !self.with_event(position, |stored| stored.same_content(Kind::Command, command))? {
            return Ok(Err(content_refused(0, command, position)));
        }
        let mut events = Vec::new();
        let mut next = position.next();
        while next < self.builder.next() && self.with_event(next, |stored| came_of(position, stored))? {
            events.push(next);
            next = next.next();
        }
        Ok(Ok(Decided { command: position, events, new: false }))
    }

    /// The aggregate that decided, if it still is what it was.
    fn decider(&self, decision: &Decision) -> Result<std::sync::Arc<FunctionRow>, Refused> {
        let stale = |why| Err(Refused::Stale { function: decision.function.clone(), why });
        let Some(row) = self.mirror.function(&decision.function) else { return Err(Refused::UnknownFunction(decision.function.clone())) };
        if !row.is_active() {
            return stale("it is not active");
        }
        if row.module != decision.module {
            return stale("another module version runs it now");
        }
        if row.epoch != decision.epoch {
            return stale("it was changed by an operator");
        }
        if row.manifest.kind != FunctionKind::Aggregate || !row.manifest.decides.contains(&decision.command.r#type) {
            return stale("it doesn't decide such commands");
        }
        Ok(row.clone())
    }

    /// An event of the subject after `after` that belongs to the aggregate's state.
    pub(super) fn evolved_since(&mut self, row: &FunctionRow, subject: &str, after: Position) -> Result<Option<Position>, StoreError> {
        let term = self.shared.hasher.term(Term::Subject(subject));
        let upcasting = self.mirror.upcasting.clone();
        self.find_since(&[term], after, |event| {
            event.kind == Kind::Event && event.subject == subject && evolves(&upcasting, row, event.r#type)
        })
    }
}

/// Whether an event of this stored type belongs to the state that the aggregate folds: as it is, or as
/// upcasters make it new.
fn evolves(upcasting: &Upcasting, row: &FunctionRow, r#type: &str) -> bool {
    row.subscribes(r#type) || upcasting.sources(|made| row.subscribes(made)).contains(r#type)
}

impl Snapshot {
    /// The recorded answer to a command that is in the log already, if it is; refused if its id stands
    /// for something else.
    pub fn find_command(&self, command: &NewEvent) -> Result<Option<Result<Decided, Refused>>, StoreError> {
        let Some(position) = self.find(&command.source, &command.id)? else { return Ok(None) };
        let at = |position: Position| -> Result<_, StoreError> { Ok(self.record(position)?.map(|record| (record, position))) };
        let same = at(position)?
            .and_then(|(record, position)| record.event(position).map(|stored| stored.same_content(Kind::Command, command)))
            .unwrap_or_default();
        if !same {
            return Ok(Some(Err(content_refused(0, command, position))));
        }
        let mut events = Vec::new();
        let mut next = position.next();
        while let Some((record, _)) = at(next)?
            && record.event(next).is_some_and(|stored| came_of(position, &stored))
        {
            events.push(next);
            next = next.next();
        }
        Ok(Some(Ok(Decided { command: position, events, new: false })))
    }
}
