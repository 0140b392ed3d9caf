//! Which source events are told again: rules that drop, rules that keep, and subjects to forget.

use super::plan::RetellPlan;
use crate::model::{ByteReader, ByteWriter, EventRef, Malformed, Position, Timestamp, TypePattern};

/// Matches an event that is all that it says; one that says nothing matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub r#type: Option<TypePattern>,
    pub subject: Option<SubjectPattern>,
    pub tag: Option<String>,
    /// From the first to the last, both included, in the log that is retold.
    pub positions: Option<(Position, Position)>,
    /// Of the events' own time: from the first, before the second.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// `order/7`, or `order/*` for all that begins with `order/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectPattern {
    Exact(String),
    Prefix(String),
}

/// What becomes of a source event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Kept,
    Dropped,
    /// Dropped, and its source and id are never taken again.
    Forgotten,
}

impl SubjectPattern {
    pub fn parse(text: &str) -> SubjectPattern {
        match text.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') => SubjectPattern::Prefix(prefix.to_owned()),
            _ => SubjectPattern::Exact(text.to_owned()),
        }
    }

    pub fn matches(&self, subject: &str) -> bool {
        match self {
            SubjectPattern::Exact(exact) => exact == subject,
            SubjectPattern::Prefix(prefix) => subject.starts_with(prefix.as_str()),
        }
    }

    fn text(&self) -> String {
        match self {
            SubjectPattern::Exact(exact) => exact.clone(),
            SubjectPattern::Prefix(prefix) => format!("{prefix}*"),
        }
    }
}

impl Rule {
    pub fn matches(&self, event: &EventRef<'_>) -> bool {
        self.r#type.as_ref().is_none_or(|pattern| pattern.matches(event.r#type))
            && self.subject.as_ref().is_none_or(|pattern| pattern.matches(event.subject))
            && self.tag.as_ref().is_none_or(|tag| event.tags().any(|other| other == tag))
            && self.positions.is_none_or(|(first, last)| first <= event.position && event.position <= last)
            && self.times.is_none_or(|(from, before)| from <= event.time && event.time < before)
    }

    pub(super) fn encode(&self, out: &mut ByteWriter) {
        let text = |out: &mut ByteWriter, text: Option<String>| {
            out.u8(u8::from(text.is_some()));
            text.iter().for_each(|text| out.text(text));
        };
        let range = |out: &mut ByteWriter, range: Option<(u64, u64)>| {
            out.u8(u8::from(range.is_some()));
            range.iter().for_each(|(from, to)| {
                out.u64(*from);
                out.u64(*to);
            });
        };
        text(
            out,
            self.r#type.as_ref().map(|pattern| match pattern {
                TypePattern::Exact(exact) => exact.clone(),
                TypePattern::Prefix(prefix) => format!("{prefix}*"),
            }),
        );
        text(out, self.subject.as_ref().map(SubjectPattern::text));
        text(out, self.tag.clone());
        range(out, self.positions.map(|(first, last)| (first.0, last.0)));
        range(out, self.times.map(|(from, before)| (from.0, before.0)));
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Result<Rule, Malformed> {
        let mut text = |what| Ok(if reader.u8(what)? != 0 { Some(reader.text(what)?.to_owned()) } else { None });
        let r#type = match text("type")? {
            Some(pattern) => Some(TypePattern::parse(&pattern).ok_or(Malformed { what: "type pattern", at: 0 })?),
            None => None,
        };
        let (subject, tag) = (text("subject")?.map(|subject| SubjectPattern::parse(&subject)), text("tag")?);
        let mut range = |what| Ok(if reader.u8(what)? != 0 { Some((reader.u64(what)?, reader.u64(what)?)) } else { None });
        let positions = range("positions")?.map(|(first, last)| (Position(first), Position(last)));
        let times = range("times")?.map(|(from, before)| (Timestamp(from), Timestamp(before)));
        Ok(Rule { r#type, subject, tag, positions, times })
    }
}

/// Judges a unit: an event alone, or a command and what was decided on it. A command that is dropped takes
/// what was decided along, and one of which anything is to be kept is kept whole.
pub fn judge(plan: &RetellPlan, unit: &[EventRef<'_>]) -> Vec<Verdict> {
    let forgotten = |event: &EventRef<'_>| plan.forget.iter().any(|subject| subject.matches(event.subject));
    let dropped = |event: &EventRef<'_>| plan.drop.iter().any(|rule| rule.matches(event));
    let kept = |event: &EventRef<'_>| plan.keep.iter().any(|rule| rule.matches(event));
    if unit.iter().any(forgotten) {
        return vec![Verdict::Forgotten; unit.len()];
    }
    let none_kept = !plan.keep.is_empty() && !unit.iter().any(kept);
    if none_kept || dropped(&unit[0]) {
        return vec![Verdict::Dropped; unit.len()];
    }
    unit.iter().map(|event| if dropped(event) { Verdict::Dropped } else { Verdict::Kept }).collect()
}
