//! Portions of the log as bytes of an answer. A snapshot lives only while one portion is made.

use std::ops::ControlFlow;

use retold_engine::model::{EventRef, Position};
use retold_engine::store::{self, Filter, Reader, StoreError};

use super::super::cloudevents::EventWriter;
use super::super::cursor::write_cursor;
use crate::drive::{DriveError, Namespace};

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
    /// Everything up to here was looked at.
    pub seen: Position,
}

/// Reads on behind `after`.
pub fn read_portion(
    reader: &Reader,
    after: Position,
    filter: &Filter,
    most: Most,
    framing: Framing,
    buffer: Vec<u8>,
) -> Result<Portion, StoreError> {
    let snapshot = reader.snapshot()?;
    let mut writer = EventWriter::new(reader.modules());
    let mut portion = Portion { bytes: buffer, events: 0, seen: after };
    if most.events == 0 {
        return Ok(portion);
    }
    let Portion { bytes, events, .. } = &mut portion;
    let seen = snapshot.scan(after, most.upto, filter, &mut |event| {
        write_framed(&mut writer, bytes, &event, framing, *events == 0);
        *events += 1;
        if *events >= most.events || bytes.len() >= most.bytes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    portion.seen = seen;
    Ok(portion)
}

fn write_framed(writer: &mut EventWriter, bytes: &mut Vec<u8>, event: &EventRef<'_>, framing: Framing, first: bool) {
    match framing {
        Framing::Array if !first => bytes.push(b','),
        Framing::Array | Framing::Lines => {}
        Framing::Messages => {
            bytes.extend_from_slice(b"id: ");
            write_cursor(bytes, event.position);
            bytes.extend_from_slice(b"\ndata: ");
        }
    }
    writer.write(bytes, event);
    match framing {
        Framing::Array => {}
        Framing::Lines => bytes.push(b'\n'),
        Framing::Messages => bytes.extend_from_slice(b"\n\n"),
    }
}

/// The same of events in their newest form. Runs upcasters: for a thread that may block.
pub fn read_upcast(namespace: &Namespace, after: Position, filter: &Filter, most: Most, framing: Framing) -> Result<Portion, DriveError> {
    /// Upcasters are run for so many events at once.
    const EVENTS_AT_ONCE: u64 = 4_096;
    let mut writer = EventWriter::of_upcast(namespace.reader().modules());
    let mut portion = Portion { bytes: Vec::new(), events: 0, seen: after };
    while portion.seen < most.upto && portion.events < most.events && portion.bytes.len() < most.bytes {
        let wanted = (most.events - portion.events).min(EVENTS_AT_ONCE) as usize;
        let (batch, seen) = namespace.upcast(portion.seen, most.upto, filter, store::Portion { events: wanted, bytes: most.bytes })?;
        for event in batch.events() {
            write_framed(&mut writer, &mut portion.bytes, &event, framing, portion.events == 0);
            portion.events += 1;
        }
        portion.seen = seen;
    }
    Ok(portion)
}

/// Positions that are looked through at once on a thread of the runtime; more goes to one that may
/// block.
const QUICK_POSITIONS: u64 = 4_096;

/// The same, on a thread that may block where it could take long.
pub async fn portion(reader: &Reader, after: Position, filter: &Filter, most: Most, framing: Framing) -> Result<Portion, StoreError> {
    if most.upto.0.saturating_sub(after.0) <= QUICK_POSITIONS {
        return read_portion(reader, after, filter, most, framing, Vec::new());
    }
    let (reader, filter) = (reader.clone(), filter.clone());
    let read = move || read_portion(&reader, after, &filter, most, framing, Vec::new());
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
