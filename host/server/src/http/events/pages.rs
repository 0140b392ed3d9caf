//! Portions of the log as bytes of an answer. A snapshot lives only while one portion is made.

use std::ops::ControlFlow;
use std::sync::Arc;

use retold_engine::model::{EventRef, Position, Record};
use retold_engine::store::{self, Filter};

use super::super::cloudevents::EventWriter;
use super::super::cursor::{Lineage, Place, write_place};
use crate::drive::{DriveError, Namespace, Resume};

/// What stands around each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A comma between two.
    Array,
    /// A line break after each.
    Lines,
    /// A server-sent event each, its id the cursor.
    Messages,
}

/// What a reader is told, and in which form.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub filter: Arc<Filter>,
    pub framing: Framing,
    /// Old events in their newest form. Runs upcasters: for a thread that may block.
    pub upcast: bool,
}

/// How much a portion may be. It ends behind the event that reaches `bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    pub upto: Position,
    pub events: u64,
    pub bytes: usize,
}

pub struct Portion {
    pub bytes: Vec<u8>,
    pub events: u64,
    /// Where the reader stands behind it. Without events it stands at the end of what it asked for.
    pub place: Place,
}

impl Portion {
    fn is_full(&self, most: Most) -> bool {
        self.events >= most.events || self.bytes.len() >= most.bytes
    }

    fn add(&mut self, writer: &mut EventWriter, event: &EventRef<'_>, framing: Framing, here: u64, place: Place) {
        match framing {
            Framing::Array if self.events > 0 => self.bytes.push(b','),
            Framing::Array | Framing::Lines => {}
            Framing::Messages => {
                self.bytes.extend_from_slice(b"id: ");
                write_place(&mut self.bytes, here, place);
                self.bytes.extend_from_slice(b"\ndata: ");
            }
        }
        writer.write(&mut self.bytes, event);
        match framing {
            Framing::Array => {}
            Framing::Lines => self.bytes.push(b'\n'),
            Framing::Messages => self.bytes.extend_from_slice(b"\n\n"),
        }
        self.events += 1;
    }
}

/// Reads on from a place: first what a reader from an earlier generation can't have seen, then what comes
/// behind it.
pub fn read_on(
    namespace: &Namespace,
    lineage: &impl Lineage,
    place: Place,
    wanted: &Wanted,
    most: Most,
    buffer: Vec<u8>,
) -> Result<Portion, DriveError> {
    let mut portion = Portion { bytes: buffer, events: 0, place };
    let here = lineage.generation();
    while !portion.is_full(most) {
        match portion.place {
            Place::Earlier { .. } => read_unseen(namespace, lineage, wanted, most, &mut portion)?,
            Place::Here(after) if after >= most.upto => break,
            Place::Here(after) if wanted.upcast => read_upcast(namespace, here, after, wanted, most, &mut portion)?,
            Place::Here(after) => {
                read_stored(namespace, here, after, wanted, most, &mut portion)?;
                break;
            }
        }
    }
    Ok(portion)
}

fn read_stored(
    namespace: &Namespace,
    here: u64,
    after: Position,
    wanted: &Wanted,
    most: Most,
    portion: &mut Portion,
) -> Result<(), DriveError> {
    let snapshot = namespace.reader().snapshot()?;
    let mut writer = EventWriter::new(namespace.reader().modules());
    let seen = snapshot.scan(after, most.upto, &wanted.filter, &mut |event| {
        portion.add(&mut writer, &event, wanted.framing, here, Place::Here(event.position));
        if portion.is_full(most) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    portion.place = Place::Here(seen);
    Ok(())
}

/// Upcasters are run for so many events at once.
const UPCAST_AT_ONCE: u64 = 4_096;

fn read_upcast(
    namespace: &Namespace,
    here: u64,
    after: Position,
    wanted: &Wanted,
    most: Most,
    portion: &mut Portion,
) -> Result<(), DriveError> {
    let mut writer = EventWriter::of_upcast(namespace.reader().modules());
    let events = (most.events - portion.events).min(UPCAST_AT_ONCE) as usize;
    let (batch, seen) = namespace.upcast(after, most.upto, &wanted.filter, store::Portion { events, bytes: most.bytes })?;
    for event in batch.events() {
        portion.add(&mut writer, &event, wanted.framing, here, Place::Here(event.position));
    }
    portion.place = Place::Here(seen);
    Ok(())
}

/// Events that a reader from an earlier generation is shown, fetched at once.
const UNSEEN_AT_ONCE: usize = 1_024;

/// Some of what a reader from an earlier generation can't have seen; behind the last of it, it stands in
/// this one.
fn read_unseen(
    namespace: &Namespace,
    lineage: &impl Lineage,
    wanted: &Wanted,
    most: Most,
    portion: &mut Portion,
) -> Result<(), DriveError> {
    let Place::Earlier { generation, position, from } = portion.place else { return Ok(()) };
    let Resume { first, more, after } = lineage.resume(generation, position, from, UNSEEN_AT_ONCE)?;
    let here = lineage.generation();
    let snapshot = namespace.reader().snapshot()?;
    let modules = namespace.reader().modules();
    let mut writer = if wanted.upcast { EventWriter::of_upcast(modules) } else { EventWriter::new(modules) };
    let mut record: Option<Arc<Record>> = None;
    for at in &first {
        let place = Place::Earlier { generation, position, from: *at };
        if wanted.upcast {
            let whole = store::Portion { events: usize::MAX, bytes: usize::MAX };
            let (batch, _) = namespace.upcast(Position(at.0 - 1), *at, &wanted.filter, whole)?;
            for event in batch.events() {
                portion.add(&mut writer, &event, wanted.framing, here, place);
            }
        } else {
            // Neighbours mostly stand in one record.
            if record.as_ref().is_none_or(|record| record.glance(*at).is_none()) {
                record = snapshot.record(*at)?;
            }
            let event = record.as_ref().and_then(|record| record.glance(*at)).filter(|event| wanted.filter.matches(event));
            if let Some(event) = event.and_then(|event| event.event()) {
                portion.add(&mut writer, &event, wanted.framing, here, place);
            }
        }
        portion.place = place;
        if portion.is_full(most) {
            return Ok(());
        }
    }
    if !more || first.is_empty() {
        portion.place = Place::Here(after);
    }
    Ok(())
}

/// Positions that are looked through at once on a thread of the runtime; more goes to one that may
/// block.
const QUICK_POSITIONS: u64 = 4_096;

/// The same, on a thread that may block where it could take long.
pub async fn portion(namespace: &Namespace, place: Place, wanted: &Wanted, most: Most) -> Result<Portion, DriveError> {
    match place {
        Place::Here(after) if !wanted.upcast && most.upto.0.saturating_sub(after.0) <= QUICK_POSITIONS => {
            read_on(namespace, namespace, place, wanted, most, Vec::new())
        }
        _ => {
            let (namespace, wanted) = (namespace.clone(), wanted.clone());
            let read = move || read_on(&namespace, &namespace, place, &wanted, most, Vec::new());
            tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }
    }
}

#[cfg(test)]
mod tests {
    use retold_engine::model::TypePattern;

    use super::super::super::cursor::parse_cursor;
    use super::super::super::cursor::tests::Third;
    use super::super::super::tests::running::{Running, event};
    use super::*;

    fn filled(count: usize) -> Running {
        let host = Running::start();
        let lines: String = (1..=count).map(|id| event(&id.to_string(), "") + "\n").collect();
        assert!(host.post("/v1/namespaces/main/events", "application/x-ndjson", &lines).status < 300);
        host
    }

    /// What a client sees that comes from generation 1 and, after each portion, goes away and comes back
    /// with the last id that it saw.
    fn seen(host: &Running, cursor: &str, filter: Filter, events: u64) -> (Vec<u64>, String) {
        let namespace = host.host.namespace("main").expect("main");
        let wanted = Wanted { filter: Arc::new(filter), framing: Framing::Messages, upcast: false };
        let most = Most { upto: namespace.reader().head(), events, bytes: usize::MAX };
        let (mut seen, mut cursor) = (Vec::new(), cursor.to_owned());
        loop {
            let place =
                parse_cursor(&cursor).expect("a cursor").place("after", &Third).unwrap_or_else(|problem| panic!("{}", problem.detail));
            let portion = read_on(&namespace, &Third, place, &wanted, most, Vec::new()).expect("a portion");
            let text = String::from_utf8(portion.bytes).expect("UTF-8");
            for line in text.lines() {
                if let Some(id) = line.strip_prefix("id: ") {
                    cursor = id.to_owned();
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let event: serde_json::Value = serde_json::from_str(data).expect("JSON");
                    seen.push(event["position"].as_str().and_then(|at| at.parse().ok()).expect("a position"));
                }
            }
            if portion.events == 0 {
                return (seen, cursor);
            }
        }
    }

    #[test]
    fn a_reader_from_an_earlier_generation_misses_nothing_wherever_it_stops() {
        let host = filled(3_000);
        // Up to position 2,000 two of three are new to it, behind it all.
        let expected: Vec<u64> = (1..=3_000).filter(|at| *at > 2_000 || at % 3 != 0).collect();
        for portion in [1, 7, 1_024, 5_000] {
            let (found, cursor) = seen(&host, "1.20000", Filter::default(), portion);
            assert!(found == expected, "in portions of {portion}");
            assert_eq!(cursor, "3.3000");
        }
        let (found, _) = seen(&host, "1.20000.3.1500", Filter::default(), 100);
        assert_eq!(found.first(), Some(&1_501));
        assert_eq!(found.len(), expected.iter().filter(|at| **at > 1_500).count());
    }

    #[test]
    fn what_it_had_not_seen_is_told_under_its_filter_too() {
        let host = filled(2_500);
        host.post("/v1/namespaces/main/events", "application/json", &event("wanted", "").replace("order.placed", "wanted"));
        let wanted = Filter { types: vec![TypePattern::parse("wanted").expect("a pattern")], ..Filter::default() };
        assert_eq!(seen(&host, "2.25000", wanted.clone(), 10), (vec![2_501], "3.2501".to_owned()));
        // Among those that come first, behind more than one portion of others.
        assert_eq!(seen(&host, "2.25010", wanted, 10), (vec![2_501], "2.25010.3.2501".to_owned()));
    }
}
