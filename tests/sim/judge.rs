//! What the writer must answer to an append, found by looking at every event.

use std::collections::BTreeSet;

use retold_engine::model::{Class, Event, Kind, NewEvent, Position, Timestamp};
use retold_engine::store::{Accepted, Append, Condition, Control, Decision, Deploy, MadeOutput, Proposal, Refused};

use crate::model::Model;

/// Holds the answers to a group against the model as it was before, and the group's new events.
pub fn check_answers(
    model: &mut Model,
    broken: &mut BTreeSet<u64>,
    proposals: &[Proposal],
    answers: &[Result<Accepted, Refused>],
    fresh: &[Event],
) {
    assert_eq!(proposals.len(), answers.len());
    let mut taken = 0;
    for (proposal, answer) in proposals.iter().zip(answers) {
        let next = Position(model.head().0 + taken as u64 + 1);
        match (proposal, answer) {
            (Proposal::Append(append), answer) => match append.stream {
                Some(stream) if broken.contains(&stream) => assert!(matches!(answer, Err(Refused::StreamBroken)), "{answer:?}"),
                stream => {
                    taken += check_append(model, append, answer, fresh, taken);
                    broken.extend(stream.filter(|_| answer.is_err()));
                }
            },
            (Proposal::Reaction(_), Ok(Accepted::Reacted(reacted))) => {
                for MadeOutput { cause, position, .. } in &reacted.outputs {
                    assert!(*cause < *position);
                    if *position == Position(model.head().0 + taken as u64 + 1) {
                        assert_eq!(fresh[taken].class, Class::Derived);
                        taken += 1;
                    } else {
                        assert!(
                            *position < next || position.0 <= model.head().0 + taken as u64,
                            "an output at {position} where {next} comes next"
                        );
                    }
                }
            }
            (Proposal::Deploy(_), Ok(Accepted::Deployed { position, unchanged, .. })) => {
                if !unchanged {
                    assert_eq!(*position, next);
                    taken += 1;
                }
            }
            (Proposal::Remove { .. }, Ok(Accepted::Removed { position })) => {
                assert_eq!(*position, next);
                taken += 1;
            }
            (Proposal::Control { control, .. }, Ok(Accepted::Controlled { .. })) => {
                // The log says what was skipped.
                taken += usize::from(matches!(control, Control::Skip { .. }));
            }
            (Proposal::Decide(decision), Ok(Accepted::Decided(decided))) => {
                let key = (decision.command.source.clone(), decision.command.id.clone());
                if decided.new {
                    assert_eq!(decided.command, next);
                    let last = Position(next.0 + decision.events.len() as u64);
                    assert_eq!(decided.events, (next.0 + 1..=last.0).map(Position).collect::<Vec<_>>());
                    check_asked(&decision.command, &fresh[taken], decision.time);
                    let missed = since(model, &fresh[..taken], decision);
                    assert_eq!(missed, None, "{decision:?} was accepted over an event that it didn't know of");
                    taken += 1 + decision.events.len();
                    assert!(model.asked.insert(key, (decision.command.clone(), decided.command, decided.events.clone())).is_none());
                } else {
                    let (first, position, events) = &model.asked[&key];
                    assert!(same(first, &decision.command), "{first:?} was asked first");
                    assert_eq!((*position, events), (decided.command, &decided.events), "a repeat gets its first answer");
                }
            }
            (Proposal::Decide(decision), Err(Refused::Content { .. })) => {
                let (first, ..) = &model.asked[&(decision.command.source.clone(), decision.command.id.clone())];
                assert!(!same(first, &decision.command));
            }
            (Proposal::Decide(decision), Err(Refused::Conflict { folded, found, .. })) => {
                let event = model.log.iter().chain(&fresh[..taken]).find(|event| event.position == *found).expect("it is there");
                assert!(
                    *folded == decision.folded && found > folded && belongs(model, event, decision),
                    "{event:?} is no conflict: {decision:?}"
                );
            }
            (Proposal::Snapshot(_), Ok(Accepted::Kept)) => {}
            (Proposal::SetSchema { .. }, Ok(Accepted::SchemaSet { position })) => {
                if let Some(position) = position {
                    assert_eq!(*position, next);
                    taken += 1;
                }
            }
            (Proposal::Deploy(_), Err(Refused::CommandTaken { .. })) => {}
            (Proposal::Reaction(_) | Proposal::Decide(_), Err(Refused::Stale { .. })) => {}
            (Proposal::Deploy(_), Err(Refused::NameTaken { .. })) => {}
            (Proposal::Deploy(_), Err(Refused::UpcastCircle { .. })) => {}
            (Proposal::Deploy(_) | Proposal::Remove { .. }, Err(Refused::UpcastGap { .. })) => {}
            (Proposal::Deploy(Deploy { levels, .. }) | Proposal::Remove { levels, .. }, Err(Refused::NotLevel { function })) => {
                let row = &model.functions[function];
                let given = levels.iter().any(|level| level.function == *function);
                // One that came before in the group may have written the first state.
                let needs = row.rebuilding.is_some() || !row.state.is_empty() || given || proposals.len() > 1;
                assert!(needs, "{function} has no state, and yet it is not level");
            }
            (Proposal::Remove { .. }, Err(Refused::UnknownModule(_))) => {}
            (Proposal::Prepare(_), Ok(Accepted::Prepared { .. }) | Err(Refused::NotPrepared { .. })) => {}
            (Proposal::Control { .. }, Err(Refused::Control { .. } | Refused::UnknownFunction(_))) => {}
            (Proposal::Control { .. }, Err(Refused::NotParked { function, position })) => {
                let row = &model.functions[function];
                assert!(!row.parked.contains_key(position), "{function} has parked {position}");
            }
            (Proposal::Control { .. }, Err(Refused::NotFirstParked { function, position, first })) => {
                let row = &model.functions[function];
                assert!(
                    first < position && row.parked[first].subject == row.parked[position].subject,
                    "{function}: {position} and {first}"
                );
            }
            (proposal, answer) => panic!("{proposal:?} was answered {answer:?}"),
        }
    }
    assert_eq!(taken, fresh.len(), "events that nobody asked for: {:?}", &fresh[taken..]);
}

/// Outputs that were in the log already with other content are told, and no others.
pub fn check_different(model: &Model, answers: &[Result<Accepted, Refused>]) {
    let reacted = answers.iter().filter_map(|answer| match answer {
        Ok(Accepted::Reacted(reacted)) => Some(reacted),
        _ => None,
    });
    let told: Vec<Position> = reacted.flat_map(|reacted| &reacted.different).map(|different| different.position).collect();
    assert_eq!(told, model.different.take(), "outputs that differ from the log's");
}

/// Answers how many of `fresh` the append took.
fn check_append(model: &mut Model, append: &Append, answer: &Result<Accepted, Refused>, fresh: &[Event], taken: usize) -> usize {
    let find = |event: &NewEvent| {
        let known = model.ids.get(&(event.source.clone(), event.id.clone())).copied();
        known.or_else(|| {
            fresh[..taken].iter().find(|other| other.source == event.source && other.id == event.id).map(|other| other.position)
        })
    };
    let bad = append.events.iter().position(|event| event.check().is_err());
    let mut clash = None;
    let mut new: Vec<&NewEvent> = Vec::new();
    for (index, event) in append.events.iter().enumerate() {
        let first = model
            .accepted
            .get(&(event.source.clone(), event.id.clone()))
            .or_else(|| new.iter().find(|other| other.source == event.source && other.id == event.id).copied());
        match first {
            Some(first) if !same(first, event) => clash = clash.or(Some(index)),
            Some(_) => {}
            None => new.push(event),
        }
    }
    let seen = model.log.iter().chain(&fresh[..taken]);
    let matches = append
        .condition
        .as_ref()
        .is_some_and(|condition| seen.clone().any(|event| event.position > condition.after && matched(condition, event)));
    match answer {
        Err(Refused::Field { index, .. }) => assert_eq!(Some(*index), bad, "{append:?}"),
        Err(Refused::Content { index, .. }) => assert_eq!((bad, Some(*index)), (None, clash), "{append:?}"),
        Err(Refused::Condition { after, found }) => {
            let condition = append.condition.as_ref().expect("only a condition can fail");
            let event = seen.clone().find(|event| event.position == *found).expect("what was found is there");
            assert!((bad, clash) == (None, None) && !new.is_empty(), "{append:?} was refused for its condition first");
            assert!(*after == condition.after && *found > *after && matched(condition, event), "{condition:?} doesn't match {event:?}");
        }
        Ok(Accepted::Appended(appended)) => {
            assert_eq!((bad, clash), (None, None), "{append:?} was accepted");
            assert!(new.is_empty() || !matches, "{:?} was passed over", append.condition);
            assert_eq!(appended.new, new.len());
            for (at, event) in new.iter().enumerate() {
                let stored = fresh.get(taken + at).unwrap_or_else(|| panic!("{event:?} is missing"));
                check_stored(event, stored);
            }
            for (event, position) in append.events.iter().zip(&appended.positions) {
                let expected = find(event).or_else(|| {
                    fresh[taken..taken + new.len()]
                        .iter()
                        .find(|other| other.source == event.source && other.id == event.id)
                        .map(|other| other.position)
                });
                assert_eq!(Some(*position), expected, "{event:?}");
            }
            let count = new.len();
            let new: Vec<NewEvent> = new.into_iter().cloned().collect();
            model.accepted.extend(new.into_iter().map(|event| ((event.source.clone(), event.id.clone()), event)));
            return count;
        }
        other => panic!("{append:?} was answered {other:?}"),
    }
    0
}

fn belongs(model: &Model, event: &Event, decision: &Decision) -> bool {
    event.subject == decision.command.subject && model.reads(&model.functions[&decision.function], event)
}

/// An event that the decision should have known of.
fn since(model: &Model, fresh: &[Event], decision: &Decision) -> Option<Position> {
    let after = model.log.iter().chain(fresh).filter(|event| event.position > decision.folded);
    after.filter(|event| belongs(model, event, decision)).map(|event| event.position).next()
}

/// Everything of a command that a client gave is there.
pub fn check_asked(given: &NewEvent, stored: &Event, decided_at: Timestamp) {
    assert_eq!(stored.kind, Kind::Command);
    let as_event = Event { kind: Kind::Event, recorded: decided_at, ..stored.clone() };
    check_stored(given, &as_event);
}

/// Everything of an event that a client gave is there.
pub fn check_stored(given: &NewEvent, stored: &Event) {
    let time = given.time.unwrap_or(stored.recorded);
    assert_eq!(
        (&given.source, &given.id, &given.r#type, &given.subject, &given.data, &given.content_type, &given.tags, &given.extensions, time),
        (
            &stored.source,
            &stored.id,
            &stored.r#type,
            &stored.subject,
            &stored.data,
            &stored.content_type,
            &stored.tags,
            &stored.extensions,
            stored.time
        ),
        "at {}",
        stored.position
    );
    assert_eq!((stored.class, stored.hops, stored.cause, stored.producer), (Class::Source, 0, None, None));
    assert_eq!(stored.causation_id, given.causation_id);
    assert_eq!(stored.correlation_id, *given.correlation_id.as_ref().unwrap_or(&given.id));
}

pub fn same(one: &NewEvent, other: &NewEvent) -> bool {
    one.r#type == other.r#type
        && one.subject == other.subject
        && one.data == other.data
        && one.content_type == other.content_type
        && one.tags == other.tags
        && one.time == other.time
}

pub fn matched(condition: &Condition, event: &Event) -> bool {
    event.kind == Kind::Event
        && (condition.types.is_empty() || condition.types.contains(&event.r#type))
        && (condition.subjects.is_empty() || condition.subjects.contains(&event.subject))
        && condition.tags.iter().all(|tag| event.tags.contains(tag))
}

/// Power was lost while a group was committed, and it was found again. It is there as a whole: what an
/// append brought is there for all of its events or for none.
pub fn check_in_flight(model: &mut Model, before: Position, proposals: &[Proposal], fresh: &[Event]) {
    let asked = fresh.iter().filter(|event| event.kind == Kind::Command && event.class == Class::Source);
    for command in asked {
        let sent = proposals.iter().find_map(|proposal| match proposal {
            Proposal::Decide(decision) if decision.command.source == command.source && decision.command.id == command.id => Some(decision),
            _ => None,
        });
        let sent = sent.unwrap_or_else(|| panic!("a command that nobody sent: {command:?}"));
        check_asked(&sent.command, command, sent.time);
        let events: Vec<Position> =
            fresh.iter().filter(|event| event.cause == Some(command.position)).map(|event| event.position).collect();
        assert_eq!(events.len(), sent.events.len());
        model.asked.insert((command.source.clone(), command.id.clone()), (sent.command.clone(), command.position, events));
    }
    let appended = |event: &&Event| event.class == Class::Source && event.kind == Kind::Event && event.cause.is_none();
    let mut sources: Vec<&Event> = fresh.iter().filter(appended).collect();
    for proposal in proposals {
        let Proposal::Append(append) = proposal else { continue };
        let mut new: Vec<&NewEvent> = Vec::new();
        for event in &append.events {
            let known = model.accepted.contains_key(&(event.source.clone(), event.id.clone()))
                || new.iter().any(|other| other.source == event.source && other.id == event.id);
            if !known {
                new.push(event);
            }
        }
        let there = |event: &NewEvent| {
            sources.iter().position(|stored| {
                stored.source == event.source && stored.id == event.id && stored.data == event.data && stored.subject == event.subject
            })
        };
        // A refused one may share events with another, which brought them.
        let found: Option<Vec<usize>> = new.iter().map(|event| there(event)).collect();
        let Some(found) = found.filter(|found| !found.is_empty()) else { continue };
        let first = sources[found[0]].position;
        for (at, event) in new.iter().enumerate() {
            let stored = sources
                .remove(sources.iter().position(|stored| stored.source == event.source && stored.id == event.id).expect("it is there"));
            assert_eq!(stored.position.0, first.0 + at as u64, "the events of one request are parted");
            check_stored(event, stored);
        }
        let new: Vec<NewEvent> = new.into_iter().cloned().collect();
        model.accepted.extend(new.into_iter().map(|event| ((event.source.clone(), event.id.clone()), event)));
    }
    model.different.take();
    assert!(sources.is_empty(), "after {before}: events that nobody sent, or a part of a request: {sources:?}");
}
