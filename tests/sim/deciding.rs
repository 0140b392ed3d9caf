//! What the model says of commands that functions send: each is dealt with once, in its subject's order, and what
//! follows from it is what its aggregate decides on all that came before.

use std::collections::{BTreeMap, VecDeque};

use retold_engine::model::{Class, DerivedId, Event, EventDraft, Kind, OutputKind, ParkedEvent, Position, Producer, derived_id, limits};

use crate::guests::{Function, fails_when_decided};
use crate::model::{Model, Parked, Row};
use crate::stock;

impl Model {
    /// Where an aggregate goes on that is deployed now.
    pub fn place_of(&self, function: &Function) -> Position {
        let places = function.decides.iter().map(|r#type| self.decided.get(*r#type).copied().unwrap_or_default());
        places.min().unwrap_or_default()
    }

    /// Whether an aggregate has this command still to decide.
    pub fn is_to_decide(&self, row: &Row, event: &Event) -> bool {
        event.kind == Kind::Command
            && event.class == Class::Derived
            && row.function.decides.contains(&event.r#type.as_str())
            && !self.dealt.contains(&event.position)
    }

    /// An aggregate went on.
    pub fn decide_on(&mut self, row: &mut Row, (from, to): (Position, Position), parked: &[ParkedEvent], derived: &mut VecDeque<&Event>) {
        let mut parked = parked.iter().peekable();
        for position in (from.0 + 1..=to.0).map(Position) {
            let command = self.event(position).clone();
            if !self.is_to_decide(row, &command) {
                continue;
            }
            assert!(self.dealt.insert(position), "the command at {position} is dealt with twice");
            let behind = row.holds_back(&command.subject);
            match parked.next_if(|parked| parked.position == position) {
                Some(entry) => {
                    assert_eq!(entry.subject, command.subject);
                    match entry.reason.as_str() {
                        "hops" => assert!(command.hops > limits::HOPS_MAX),
                        "behind" => assert!(behind, "{position} waits behind nothing"),
                        _ => assert!(!behind && self.can_be_undecided(row, &command), "{command:?} is parked: {entry:?}"),
                    }
                    row.park(entry);
                }
                None => {
                    assert!(!behind && command.hops <= limits::HOPS_MAX, "{position} is decided before an earlier one of its subject");
                    self.decided(row, &command, derived);
                }
            }
        }
        assert_eq!(parked.next(), None, "what is no command for it is parked");
        for r#type in row.function.decides {
            let upto = self.decided.entry((*r#type).to_owned()).or_default();
            *upto = to.max(*upto);
        }
    }

    /// A released command was tried again.
    pub fn decide_released(&self, row: &mut Row, parked: &[ParkedEvent], unparked: &[Position], derived: &mut VecDeque<&Event>) {
        let check = |row: &Row, position: Position| {
            let entry = row.parked.get(&position).unwrap_or_else(|| panic!("{position} was released, which isn't parked"));
            let first = row.parked.iter().find(|(_, other)| other.subject == entry.subject).map(|(first, _)| *first);
            assert!(entry.released && first == Some(position), "{position} was tried before {first:?}, or unasked");
        };
        for position in unparked {
            check(row, *position);
            row.parked.remove(position);
            self.decided(row, self.event(*position), derived);
        }
        for entry in parked {
            check(row, entry.position);
            let command = self.event(entry.position);
            let is_own = row.function.decides.contains(&command.r#type.as_str());
            assert!(self.can_be_undecided(row, command) || !is_own, "{command:?} failed again where nothing can fail");
            row.parked.values_mut().filter(|other| other.subject == entry.subject).for_each(|other| other.released = false);
            row.parked.insert(entry.position, Parked { subject: entry.subject.clone(), reason: entry.reason.clone(), released: false });
        }
    }

    /// What is parked after a position is tried again, unless it waits behind something earlier.
    pub fn release_after(row: &mut Row, after: Position) {
        let held: Vec<String> = row.parked.range(..=after).map(|(_, parked)| parked.subject.clone()).collect();
        let later = row.parked.range_mut(after.next()..).filter(|(_, parked)| !held.contains(&parked.subject));
        later.for_each(|(_, parked)| parked.released = true);
    }

    fn can_be_undecided(&self, row: &Row, command: &Event) -> bool {
        let of_subject = |event: &&Event| event.subject == command.subject;
        fails_when_decided(row.function.name, &command.data)
            || self.log.iter().filter(of_subject).any(|event| self.can_be_too_old(row, event))
    }

    /// Expects what follows from a command, which comes next of all that is derived.
    fn decided(&self, row: &Row, command: &Event, derived: &mut VecDeque<&Event>) {
        let first = derived.front().unwrap_or_else(|| panic!("nothing follows from {command:?}"));
        let level = self.level_of(row, &command.subject, Position(first.position.0 - 1)).stock.level;
        let answer = stock::decide(row.version, &command.r#type, &command.data, level);
        let refusal = answer.as_ref().err().map(|rejection| {
            let head = format!("\"type\":\"{}\",\"id\":\"{}\"", command.r#type, command.id);
            format!("{{\"command\":{{{head}}},\"code\":\"{}\",\"message\":\"{}\"}}", rejection.code, rejection.message).into_bytes()
        });
        let refused = refusal.map(|data| vec![EventDraft { r#type: "retold.command.refused".into(), data, ..EventDraft::default() }]);
        let mut ordinals: BTreeMap<String, u32> = BTreeMap::new();
        for draft in refused.clone().or_else(|| answer.ok()).unwrap_or_default() {
            let next = ordinals.entry(draft.r#type.clone()).or_default();
            let ordinal = if draft.key.is_some() { 0 } else { *next };
            *next += u32::from(draft.key.is_none());
            let found = derived.pop_front().unwrap_or_else(|| panic!("a part of what follows from {command:?} is missing"));
            let id = derived_id(&DerivedId {
                cause_source: &command.source,
                cause_id: &command.id,
                function: row.function.name,
                kind: OutputKind::Event,
                r#type: &draft.r#type,
                subject: &command.subject,
                key: draft.key.as_deref(),
                ordinal,
            });
            let sender = command.source.strip_prefix("/functions/").expect("a function sent it");
            let expected = Event {
                position: found.position,
                kind: Kind::Event,
                class: Class::Derived,
                id,
                source: format!("/aggregates/{}", row.function.name),
                r#type: draft.r#type,
                subject: command.subject.clone(),
                time: command.time,
                recorded: found.recorded,
                content_type: draft.content_type.unwrap_or_else(|| "application/json".into()),
                data: draft.data,
                hops: command.hops + 1,
                cause: Some(command.position),
                causation_id: Some(command.id.clone()),
                correlation_id: command.correlation_id.clone(),
                producer: Some(Producer { module: row.module }),
                tags: draft.tags,
                extensions: refused.as_ref().map(|_| ("addressee".to_owned(), sender.to_owned())).into_iter().collect(),
            };
            assert_eq!(*found, expected);
        }
    }
}
