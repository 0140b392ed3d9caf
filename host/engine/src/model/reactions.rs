//! `Reactions`: what a handler answered. What its events are made of lies in pieces that all of them share, as it
//! came out of the sandbox: most of it is only looked at.

use std::ops::Range;

use super::output::{CommandDraft, EventDraft, Output, Reaction, RequestDraft, TimerDraft};

/// The outputs of a call, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reactions {
    each: Vec<Each>,
    /// Apart, so that an answer is small.
    pieces: Box<Pieces>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Pieces {
    types: Vec<String>,
    subjects: String,
    data: Vec<u8>,
    tags: Vec<String>,
    /// Where the next event's subject, data and tags begin, of those whose ends are told.
    begin: (u32, u32, u32),
}

#[derive(Clone, Debug, PartialEq)]
struct Each {
    /// Index into the batch.
    cause: u32,
    output: Placed,
}

#[derive(Clone, Debug, PartialEq)]
enum Placed {
    Emit(Place),
    Command(Box<CommandDraft>),
    Schedule(Box<TimerDraft>),
    Cancel(String),
    Request(Box<RequestDraft>),
}

/// Where in the pieces an event lies.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    r#type: u32,
    subject: Range<u32>,
    data: Range<u32>,
    tags: Range<u32>,
    content_type: Option<String>,
    key: Option<String>,
}

/// Where in the pieces an event's parts end: they begin where those of the event before it end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Index into the types.
    pub r#type: u32,
    pub subject_end: u32,
    pub data_end: u32,
    pub tags_end: u32,
    /// `application/json` where absent.
    pub content_type: Option<String>,
    pub key: Option<String>,
}

/// An event whose parts lie nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    #[error("has the type number {number}, and `types` has {types}")]
    Type { number: u32, types: usize },
    #[error("ends at {end} in `{piece}`, which is no end of a part of it")]
    End { piece: &'static str, end: u32 },
}

/// An output where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OutputRef<'a> {
    Emit(EventDraftRef<'a>),
    Command(&'a CommandDraft),
    Schedule(&'a TimerDraft),
    /// The key of the timer that is not wanted any more.
    Cancel(&'a str),
    Request(&'a RequestDraft),
}

/// An event of an answer where it lies. Its time is its cause's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDraftRef<'a> {
    pub r#type: &'a str,
    pub subject: &'a str,
    pub tags: &'a [String],
    /// `application/json` where absent.
    pub content_type: Option<&'a str>,
    pub data: &'a [u8],
    /// Names the output for its id.
    pub key: Option<&'a str>,
}

impl Reactions {
    /// None yet; about so many will lie in these pieces, one after the other.
    pub fn in_pieces(outputs: usize, types: Vec<String>, subjects: String, data: Vec<u8>, tags: Vec<String>) -> Reactions {
        Reactions { each: Vec::with_capacity(outputs), pieces: Box::new(Pieces { types, subjects, data, tags, begin: (0, 0, 0) }) }
    }

    /// Adds the event that ends there.
    pub fn emit(&mut self, cause: u32, ends: Ends) -> Result<(), Misplaced> {
        let place = self.pieces.next(ends)?;
        self.each.push(Each { cause, output: Placed::Emit(place) });
        Ok(())
    }

    /// Adds an output; an event's parts come after all that is in the pieces.
    pub fn push(&mut self, Reaction { cause, output }: Reaction) {
        let output = match output {
            Output::Emit(event) => Placed::Emit(self.pieces.place(event)),
            Output::Command(command) => Placed::Command(Box::new(command)),
            Output::Schedule(timer) => Placed::Schedule(Box::new(timer)),
            Output::Cancel(key) => Placed::Cancel(key),
            Output::Request(request) => Placed::Request(Box::new(request)),
        };
        self.each.push(Each { cause, output });
    }

    pub fn len(&self) -> usize {
        self.each.len()
    }

    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Outputs of one cause keep their order.
    pub fn sort_by_cause(&mut self) {
        self.each.sort_by_key(|each| each.cause);
    }

    /// Each with the index of its cause in the batch.
    pub fn iter(&self) -> impl Iterator<Item = (u32, OutputRef<'_>)> {
        self.each.iter().map(|each| (each.cause, self.output(&each.output)))
    }

    fn output<'a>(&'a self, placed: &'a Placed) -> OutputRef<'a> {
        match placed {
            Placed::Emit(place) => OutputRef::Emit(self.pieces.event(place)),
            Placed::Command(command) => OutputRef::Command(command),
            Placed::Schedule(timer) => OutputRef::Schedule(timer),
            Placed::Cancel(key) => OutputRef::Cancel(key),
            Placed::Request(request) => OutputRef::Request(request),
        }
    }
}

impl Pieces {
    /// The place that ends there. If there is none, nothing has changed.
    fn next(&mut self, ends: Ends) -> Result<Place, Misplaced> {
        let Ends { r#type, subject_end, data_end, tags_end, content_type, key } = ends;
        if r#type as usize >= self.types.len() {
            return Err(Misplaced::Type { number: r#type, types: self.types.len() });
        }
        let place = Place {
            r#type,
            subject: self.begin.0..subject_end,
            data: self.begin.1..data_end,
            tags: self.begin.2..tags_end,
            content_type,
            key,
        };
        let within = |is_there, piece, end| if is_there { Ok(()) } else { Err(Misplaced::End { piece, end }) };
        within(self.subjects.get(indices(&place.subject)).is_some(), "subjects", subject_end)?;
        within(self.data.get(indices(&place.data)).is_some(), "data", data_end)?;
        within(self.tags.get(indices(&place.tags)).is_some(), "tags", tags_end)?;
        self.begin = (subject_end, data_end, tags_end);
        Ok(place)
    }

    /// Adds what an event is made of.
    fn place(&mut self, event: EventDraft) -> Place {
        let EventDraft { r#type, subject, tags, content_type, data, key, time: _ } = event;
        let begin = (self.subjects.len() as u32, self.data.len() as u32, self.tags.len() as u32);
        if self.types.last() != Some(&r#type) {
            self.types.push(r#type);
        }
        self.subjects.push_str(&subject);
        self.data.extend(data);
        self.tags.extend(tags);
        Place {
            r#type: self.types.len() as u32 - 1,
            subject: begin.0..self.subjects.len() as u32,
            data: begin.1..self.data.len() as u32,
            tags: begin.2..self.tags.len() as u32,
            content_type,
            key,
        }
    }

    /// All of it is there: that was seen to when it was added.
    fn event<'a>(&'a self, place: &'a Place) -> EventDraftRef<'a> {
        EventDraftRef {
            r#type: &self.types[place.r#type as usize],
            subject: &self.subjects[indices(&place.subject)],
            tags: &self.tags[indices(&place.tags)],
            content_type: place.content_type.as_deref(),
            data: &self.data[indices(&place.data)],
            key: place.key.as_deref(),
        }
    }
}

fn indices(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

impl FromIterator<Reaction> for Reactions {
    fn from_iter<I: IntoIterator<Item = Reaction>>(each: I) -> Reactions {
        let mut reactions = Reactions::default();
        each.into_iter().for_each(|reaction| reactions.push(reaction));
        reactions
    }
}

impl From<Vec<Reaction>> for Reactions {
    fn from(each: Vec<Reaction>) -> Reactions {
        each.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second of two types, with no content type and no key.
    fn ends(subject_end: u32, data_end: u32, tags_end: u32) -> Ends {
        Ends { r#type: 1, subject_end, data_end, tags_end, content_type: None, key: None }
    }

    fn pieces() -> Reactions {
        let types = vec!["a".to_owned(), "b".to_owned()];
        Reactions::in_pieces(3, types, "xéy".to_owned(), b"122".to_vec(), vec!["s".to_owned(), "t".to_owned()])
    }

    fn event<'a>(r#type: &'a str, subject: &'a str, data: &'a [u8], tags: &'a [String]) -> OutputRef<'a> {
        OutputRef::Emit(EventDraftRef { r#type, subject, tags, content_type: None, data, key: None })
    }

    #[test]
    fn events_are_cut_out_of_the_pieces_and_what_is_no_event_takes_nothing_of_them() {
        let mut reactions = pieces();
        reactions.emit(2, Ends { r#type: 0, ..ends(1, 1, 0) }).expect("it is there");
        reactions.push(Reaction { cause: 1, output: Output::Cancel("k".into()) });
        reactions.emit(1, ends(3, 1, 2)).expect("it is there");
        reactions.emit(1, ends(4, 3, 2)).expect("it is there");
        let tags = ["s".to_owned(), "t".to_owned()];
        let expected = [
            (2, event("a", "x", b"1", &[])),
            (1, OutputRef::Cancel("k")),
            (1, event("b", "é", b"", &tags)),
            (1, event("b", "y", b"22", &[])),
        ];
        assert_eq!(reactions.iter().collect::<Vec<_>>(), expected);
        reactions.sort_by_cause();
        assert_eq!(reactions.iter().collect::<Vec<_>>(), [expected[1], expected[2], expected[3], expected[0]]);
    }

    #[test]
    fn ends_that_lie_nowhere_are_refused_and_leave_nothing() {
        let mut reactions = pieces();
        reactions.emit(0, ends(1, 1, 1)).expect("it is there");
        // Inside the letter, before the beginning, behind the end.
        for end in [2, 0, 5, u32::MAX] {
            assert_eq!(reactions.emit(0, ends(end, 1, 1)), Err(Misplaced::End { piece: "subjects", end }));
        }
        for end in [0, 4, u32::MAX] {
            assert_eq!(reactions.emit(0, ends(1, end, 1)), Err(Misplaced::End { piece: "data", end }));
            assert_eq!(reactions.emit(0, ends(1, 1, end)), Err(Misplaced::End { piece: "tags", end }));
        }
        assert_eq!(reactions.emit(0, Ends { r#type: 2, ..ends(1, 1, 1) }), Err(Misplaced::Type { number: 2, types: 2 }));
        assert_eq!(reactions.len(), 1);
        reactions.emit(0, ends(3, 3, 2)).expect("what was refused moved nothing");
    }

    #[test]
    fn what_is_built_one_by_one_says_what_was_given() {
        let draft = |r#type: &str, subject: &str, tags: &[&str]| EventDraft {
            r#type: r#type.into(),
            subject: subject.into(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            content_type: Some("text/plain".into()),
            data: subject.as_bytes().to_vec(),
            key: Some("k".into()),
            time: None,
        };
        let drafts = [draft("a", "x", &["s"]), draft("a", "", &[]), draft("b", "é", &["t", "u"]), draft("a", "z", &[])];
        let reactions: Reactions =
            (0..).zip(drafts.clone()).map(|(cause, draft)| Reaction { cause, output: Output::Emit(draft) }).collect();
        for (cause, ((index, output), draft)) in (0..).zip(reactions.iter().zip(&drafts)) {
            let expected = EventDraftRef {
                r#type: &draft.r#type,
                subject: &draft.subject,
                tags: &draft.tags,
                content_type: draft.content_type.as_deref(),
                data: &draft.data,
                key: draft.key.as_deref(),
            };
            assert_eq!((index, output), (cause, OutputRef::Emit(expected)));
        }
    }
}
