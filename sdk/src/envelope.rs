//! `Envelope`: an event as it comes in, before its data is read.

use crate::Timestamp;
use crate::bindings::wire;

/// An event of the call at hand. What it borrows lies in the few pieces that the call brought.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    pub position: u64,
    pub event_type: &'a str,
    pub subject: &'a str,
    pub time: Timestamp,
    pub data: &'a [u8],
}

/// The events of a call, one after the other.
pub fn envelopes(events: &wire::Events) -> impl ExactSizeIterator<Item = Envelope<'_>> {
    let (mut subject_start, mut data_start) = (0, 0);
    events.each.iter().map(move |event| {
        let (subject_end, data_end) = (event.subject_end as usize, event.data_end as usize);
        let envelope = Envelope {
            position: event.position,
            event_type: &events.types[event.type_ as usize],
            subject: &events.subjects[subject_start..subject_end],
            time: Timestamp::from_micros(event.time),
            data: &events.data[data_start..data_end],
        };
        (subject_start, data_start) = (subject_end, data_end);
        envelope
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_its_own_part_of_every_piece() {
        let event = |position, type_, subject_end, data_end| wire::Event { position, time: 7, type_, subject_end, data_end };
        let events = wire::Events {
            each: vec![event(3, 1, 5, 2), event(4, 0, 5, 2), event(9, 1, 6, 5)],
            types: vec!["a".to_owned(), "b".to_owned()],
            subjects: "Zoë/x".to_owned(),
            data: b"{}[1]".to_vec(),
        };
        let found: Vec<_> = envelopes(&events).map(|it| (it.position, it.event_type, it.subject, it.data)).collect();
        assert_eq!(found, [(3, "b", "Zoë/", &b"{}"[..]), (4, "a", "", b""), (9, "b", "x", b"[1]")]);
        assert!(envelopes(&events).all(|it| it.time == Timestamp::from_micros(7)));
    }
}
