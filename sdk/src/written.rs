//! `Written`: the outputs of a call so far, in the pieces in which a handler's cross to the host.

use std::borrow::Cow;

use crate::bindings::wire;
use crate::texts::is_same;

/// How many of the types met last are looked through for an event's own.
const TYPES_LOOKED_THROUGH: usize = 16;

/// Subjects, data and tags lie one after the other: memory for each would cost more than the rest of an output.
#[derive(Default)]
pub struct Written {
    each: Vec<wire::Reaction>,
    types: Vec<Cow<'static, str>>,
    subjects: String,
    data: Vec<u8>,
    tags: Vec<String>,
    /// Of ingress functions alone: by the index of the output, when it happened.
    times: Vec<(usize, u64)>,
}

/// An event beside its data.
pub struct NewEvent<'a> {
    pub of_type: Cow<'static, str>,
    pub subject: &'a str,
    pub tags: Vec<String>,
    pub content_type: Option<String>,
    pub key: Option<String>,
    pub time: Option<u64>,
}

/// An output, read back.
pub enum Output {
    Emit(wire::NewEvent),
    /// No event.
    Other(wire::Output),
}

impl Written {
    /// Where the data of the next event is written, behind that of those before it.
    pub fn data(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// Adds an event, all of whose data is written.
    #[inline(always)]
    pub fn emit(&mut self, cause: u32, event: NewEvent<'_>) {
        let NewEvent { of_type, subject, tags, content_type, key, time } = event;
        self.subjects.push_str(subject);
        self.tags.extend(tags);
        self.times.extend(time.map(|time| (self.each.len(), time)));
        let type_ = self.type_index(of_type);
        let (subject_end, data_end, tags_end) = (self.subjects.len() as u32, self.data.len() as u32, self.tags.len() as u32);
        let event = wire::EmittedEvent { type_, subject_end, data_end, tags_end, content_type, key };
        self.each.push(wire::Reaction { cause, output: wire::Output::Emit(event) });
    }

    /// Adds what is no event.
    pub fn push(&mut self, cause: u32, output: wire::Output) {
        self.each.push(wire::Reaction { cause, output });
    }

    #[inline(always)]
    fn type_index(&mut self, of_type: Cow<'static, str>) -> u32 {
        // Most functions emit one type.
        match self.types.last() {
            Some(last) if is_same(last.as_bytes(), of_type.as_bytes()) => self.types.len() as u32 - 1,
            _ => self.other_type_index(of_type),
        }
    }

    #[inline(never)]
    fn other_type_index(&mut self, of_type: Cow<'static, str>) -> u32 {
        let is_it = |known: &Cow<'static, str>| is_same(known.as_bytes(), of_type.as_bytes());
        let back = self.types.iter().rev().take(TYPES_LOOKED_THROUGH).position(is_it);
        let index = back.map(|back| self.types.len() - 1 - back).unwrap_or_else(|| {
            self.types.push(of_type);
            self.types.len() - 1
        });
        index as u32
    }

    /// As a handler's call returns it.
    pub fn into_reactions(self) -> wire::Reactions {
        let Written { each, types, subjects, data, tags, times: _ } = self;
        wire::Reactions { each, types: types.into_iter().map(Cow::into_owned).collect(), subjects, data, tags }
    }

    /// The events alone, each with texts and data of its own, where a function can only emit.
    pub fn into_events(self) -> Vec<wire::NewEvent> {
        let event = |output| match output {
            Output::Emit(event) => Some(event),
            Output::Other(_) => None,
        };
        self.into_outputs().into_iter().filter_map(event).collect()
    }

    /// All of it, each event with texts and data of its own.
    pub fn into_outputs(self) -> Vec<Output> {
        let Written { each, types, subjects, data, tags, times } = self;
        let (mut subject_begin, mut data_begin, mut tags_begin) = (0, 0, 0);
        let mut times = times.into_iter().peekable();
        let output = |(index, reaction): (usize, wire::Reaction)| {
            let wire::Output::Emit(event) = reaction.output else { return Output::Other(reaction.output) };
            let wire::EmittedEvent { type_, subject_end, data_end, tags_end, content_type, key } = event;
            let (subject_end, data_end, tags_end) = (subject_end as usize, data_end as usize, tags_end as usize);
            let event = wire::NewEvent {
                type_: types[type_ as usize].clone().into_owned(),
                subject: subjects[subject_begin..subject_end].to_owned(),
                tags: tags[tags_begin..tags_end].to_vec(),
                content_type,
                data: data[data_begin..data_end].to_owned(),
                key,
                time: times.next_if(|(of, _)| *of == index).map(|(_, time)| time),
            };
            (subject_begin, data_begin, tags_begin) = (subject_end, data_end, tags_end);
            Output::Emit(event)
        };
        each.into_iter().enumerate().map(output).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(of_type: String, subject: &str, time: Option<u64>) -> NewEvent<'_> {
        NewEvent { of_type: of_type.into(), subject, tags: Vec::new(), content_type: None, key: None, time }
    }

    #[test]
    fn what_is_written_in_pieces_is_read_back_event_by_event() {
        let mut written = Written::default();
        written.data().extend(b"1");
        written.emit(0, NewEvent { tags: vec!["s".into(), "t".into()], ..event("a".into(), "é", None) });
        written.push(0, wire::Output::Cancel("k".into()));
        written.emit(2, event("b".into(), "", Some(7)));
        written.data().extend(b"22");
        written.emit(2, NewEvent { tags: vec!["u".into()], ..event("a".into(), "y", Some(8)) });
        let told = |it: wire::NewEvent| (it.type_, it.subject, String::from_utf8(it.data).unwrap(), it.tags.concat(), it.time);
        let events: Vec<_> = written.into_events().into_iter().map(told).collect();
        let expected = [("a", "é", "1", "st", None), ("b", "", "", "", Some(7)), ("a", "y", "22", "u", Some(8))];
        assert_eq!(events, expected.map(|(of, subject, data, tags, time)| (of.into(), subject.into(), data.into(), tags.into(), time)));
    }

    #[test]
    fn a_type_that_was_met_lately_stands_there_once() {
        let mut written = Written::default();
        for number in [0, 1, 0, 1].into_iter().chain(2..20).chain([19, 0]) {
            written.emit(number, event(format!("type.{number}"), "", None));
        }
        let wire::Reactions { each, types, .. } = written.into_reactions();
        let named = each.iter().map(|reaction| match &reaction.output {
            wire::Output::Emit(event) => (reaction.cause, types[event.type_ as usize].as_str()),
            other => panic!("{other:?}"),
        });
        assert!(named.clone().all(|(number, of_type)| of_type == format!("type.{number}")));
        // The first was met too long ago when it came again.
        assert_eq!((types.len(), types[20].as_str()), (21, "type.0"));
    }
}
