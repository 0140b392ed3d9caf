//! What must hold of two generations of a log, wherever power was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use retold_engine::model::{Class, Event, Kind, Position};
use retold_engine::store::{Append, Filter, Proposal, Refused, Store};

use crate::generations::{Land, Life};
use crate::guests::mark;

pub fn entries(store: &Store) -> Vec<Event> {
    let (mut all, snapshot) = (Vec::new(), store.reader().snapshot().expect("there is power"));
    let mut take = |event: retold_engine::model::EventRef<'_>| {
        all.push(event.to_event());
        ControlFlow::Continue(())
    };
    snapshot.scan(Position::START, snapshot.head(), &Filter::default(), &mut take).expect("there is power");
    all
}

fn records(store: &Store) -> Vec<Vec<u8>> {
    let (mut all, snapshot) = (Vec::new(), store.reader().snapshot().expect("there is power"));
    let mut take = |record: &std::sync::Arc<retold_engine::model::Record>| {
        all.push(record.bytes().to_vec());
        Ok(true)
    };
    snapshot.records(0, Position::START, &mut take).expect("there is power");
    all
}

/// Both logs are whole, and what was acknowledged is in the one that is live.
pub fn check_opened(land: &mut Land, life: &Life) {
    if !land.has_power() {
        return;
    }
    life.base.reader().verify().expect("the base is whole");
    life.target.reader().verify().expect("the retelling is whole");
    if land.promoted {
        assert_eq!(life.base.head(), land.base_head, "what was live before changed after the promotion");
        assert_eq!(life.target.reader().retold(), retold_to(&life.base), "the retelling became live before all was told");
    } else {
        assert!(life.base.head() >= land.base_head, "the base has lost something");
        land.base_head = life.base.head();
    }
    check_sent(land, life);
    land.check_asked(if land.promoted { &life.target } else { &life.base });
}

/// The last source event of a log.
fn retold_to(base: &Store) -> Option<Position> {
    entries(base).iter().rev().find(|event| event.class == Class::Source).map(|event| event.position)
}

/// Every acknowledged event is there, in the order in which it was sent, but for those that the retelling
/// left out; and none is there twice.
pub fn check_sent(land: &Land, life: &Life) {
    let store = if land.promoted { &life.target } else { &life.base };
    let there = entries(store);
    let ours: Vec<&Event> = there.iter().filter(|event| event.source == "/client").collect();
    let ids: BTreeSet<&str> = ours.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), ours.len(), "an event is there twice");
    for sent in land.sent.iter().filter(|sent| sent.acknowledged && !ids.contains(sent.event.id.as_str())) {
        let forgotten = land.plan.forget.iter().any(|subject| subject.matches(&sent.event.subject));
        let dropped = land.plan.drop.iter().any(|rule| rule.r#type.as_ref().is_some_and(|pattern| pattern.matches(&sent.event.r#type)));
        assert!(land.promoted && (forgotten || dropped), "an acknowledged event is lost: {:?}", sent.event);
    }
    for event in &ours {
        let sent = &land.sent[event.id.parse::<usize>().expect("a number")].event;
        assert_eq!((&event.data, &event.subject, &event.r#type), (&sent.data, &sent.subject, &sent.r#type));
    }
}

/// The retelling is live, and all functions rest.
pub fn check_finished(land: &mut Land, life: &mut Life) {
    check_opened(land, life);
    assert!(land.sent.iter().all(|sent| sent.acknowledged));
    let (old, new) = (entries(&life.base), entries(&life.target));
    check_versions(&old, 1);
    check_versions(&new, 2);
    check_echoes(&new);
    land.counts.decided += new.iter().filter(|event| event.kind == Kind::Command).count() as u64;
    land.counts.parked += check_parked(&life.target, &new);
    let afresh = land.retold_afresh(&life.base);
    // Recorded elsewhere and later, they are the same, one by one.
    let expected = entries(&afresh);
    assert_eq!(new[..expected.len()], expected[..], "the retelling differs from one that nothing disturbed");
    let whole = land.short_after.expect("it was promoted") as usize;
    assert_eq!(records(&life.target)[..whole], records(&afresh)[..whole], "records of whole steps differ");
    check_cursors(land, life, &old, &new);
    check_forgotten(land, life, &old);
    land.note(&new);
}

/// Events that were erased for good are not taken again.
fn check_forgotten(land: &Land, life: &mut Life, old: &[Event]) {
    let is_forgotten = |event: &&Event| event.source == "/client" && land.plan.forget.iter().any(|subject| subject.matches(&event.subject));
    for event in old.iter().filter(is_forgotten).take(5) {
        let sent = &land.sent[event.id.parse::<usize>().expect("a number")].event;
        let append = Append { events: vec![sent.clone()], ..Append::default() };
        let answers = life.target.commit([Proposal::Append(append)], event.recorded).expect("there is power").answers;
        assert!(matches!(answers[..], [Err(Refused::Forgotten { .. })]), "{answers:?}");
    }
}

/// One version made everything.
fn check_versions(log: &[Event], version: u8) {
    for event in log.iter().filter(|event| event.r#type == "echo.made") {
        assert_eq!(event.data[5], b'0' + version, "{event:?}");
    }
}

/// Each event has its one echo, if it has any.
fn check_echoes(log: &[Event]) {
    let mut echoes: BTreeMap<Position, u64> = BTreeMap::new();
    for event in log.iter().filter(|event| event.r#type == "echo.made") {
        *echoes.entry(event.cause.expect("it follows from something")).or_default() += 1;
    }
    for event in log.iter().filter(|event| event.source == "/client" && event.r#type.starts_with("a.")) {
        let expected = u64::from(event.data[1] % 4 != 3);
        assert_eq!(echoes.get(&event.position).copied().unwrap_or_default(), expected, "{event:?}");
    }
}

/// What can't be handled is parked, with what comes behind it of its subject; all else is handled, once. Answers how
/// many are parked.
fn check_parked(store: &Store, log: &[Event]) -> u64 {
    let snapshot = store.reader().snapshot().expect("there is power");
    let row = snapshot.function("fragile").expect("it is deployed");
    let page = snapshot.parked(row.ordinal, Position::START, usize::MAX).expect("there is power");
    let parked: BTreeSet<Position> = page.events.iter().map(|parked| parked.event.position).collect();
    let mut stopped: BTreeSet<&str> = BTreeSet::new();
    for event in log.iter().filter(|event| event.source == "/client" && ["c.one", "a.wide"].contains(&event.r#type.as_str())) {
        if event.data[0] == mark::REJECT {
            stopped.insert(&event.subject);
        }
        let expected = stopped.contains(event.subject.as_str());
        assert_eq!(parked.contains(&event.position), expected, "{event:?}");
        let made = log.iter().filter(|made| made.r#type == "fragile.done" && made.cause == Some(event.position)).count();
        assert_eq!(made, usize::from(!expected), "of {event:?}");
    }
    parked.len() as u64
}

/// What tells an entry from others, and what it says.
fn identity(event: &Event) -> (&str, &str, &[u8], &str) {
    (&event.source, &event.id, &event.data, &event.subject)
}

/// A reader that comes with any cursor of the old log gets everything of the new one that it has not had.
fn check_cursors(land: &Land, life: &Life, old: &[Event], new: &[Event]) {
    let map = land.open_map(life).expect("there is power");
    let own = |event: &&Event| event.class == Class::Record;
    let told: BTreeSet<_> = new.iter().filter(own).map(|event| event.position).collect();
    for had in (0..=old.len()).step_by(1 + old.len() / 60) {
        let before: BTreeSet<_> = old[..had].iter().map(identity).collect();
        let (mut from, mut first) = (Position::START, BTreeSet::new());
        let after = loop {
            let resume = map.resume(Position(had as u64), from, 7).expect("there is power");
            first.extend(resume.first);
            match resume.more {
                Some(more) => from = more,
                None => break resume.after,
            }
        };
        for event in new.iter().filter(|event| event.kind == Kind::Event && !told.contains(&event.position)) {
            let delivered = event.position > after || first.contains(&event.position);
            assert!(delivered || before.contains(&identity(event)), "a reader that had {had} misses {event:?}");
        }
    }
}
