//! Append conditions: has anything like this come since?

use super::error::StoreError;
use super::group::Group;
use super::proposal::Condition;
use super::terms::Term;
use crate::model::{EventRef, Kind, Position};

/// Candidates taken from a segment's index at a time.
const POSITIONS_AT_A_TIME: usize = 256;

impl Condition {
    /// Commands are matched by no condition.
    pub fn matches(&self, event: &EventRef<'_>) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|wanted| wanted == value);
        event.kind == Kind::Event
            && any(&self.types, event.r#type)
            && any(&self.subjects, event.subject)
            && self.tags.iter().all(|wanted| event.tags().any(|tag| tag == wanted))
    }
}

impl Group<'_> {
    /// An event after the condition's position that it matches, if there is one; those of this group
    /// count too.
    pub fn first_match(&mut self, condition: &Condition) -> Result<Option<Position>, StoreError> {
        let terms = self.terms(condition);
        if terms.is_empty() {
            for position in (condition.after.0.saturating_add(1)..self.builder.next().0).map(Position) {
                if self.with_event(position, |event| condition.matches(event))? {
                    return Ok(Some(position));
                }
            }
            return Ok(None);
        }
        self.find_since(&terms, condition.after, |event| condition.matches(event))
    }

    /// An entry under one of the terms after `after` that is what is looked for; those of this group
    /// count too. Costs what came since, whatever came before.
    pub fn find_since(
        &mut self,
        terms: &[u64],
        after: Position,
        mut wanted: impl FnMut(&EventRef<'_>) -> bool,
    ) -> Result<Option<Position>, StoreError> {
        // Whoever asks may name any position.
        if after.0.saturating_add(1) >= self.builder.next().0 {
            return Ok(None);
        }
        for term in terms {
            // Newest first: the tail, then segments that reach beyond the position.
            let candidates: Vec<Position> = self.tail.with_term(*term, after).collect();
            for position in candidates {
                if self.with_event(position, &mut wanted)? {
                    return Ok(Some(position));
                }
            }
            let view = self.view.clone();
            for segment in view.segments.iter().rev().take_while(|segment| segment.last > after) {
                let mut after = after;
                loop {
                    let positions = segment.with_term(*term, after, POSITIONS_AT_A_TIME)?;
                    for position in &positions {
                        if self.with_event(*position, &mut wanted)? {
                            return Ok(Some(*position));
                        }
                    }
                    match positions.last() {
                        Some(last) if positions.len() == POSITIONS_AT_A_TIME => after = *last,
                        _ => break,
                    }
                }
            }
        }
        Ok(None)
    }

    /// The terms whose events can match: of the list that tells most apart.
    fn terms(&self, condition: &Condition) -> Vec<u64> {
        let hasher = &self.shared.hasher;
        if !condition.subjects.is_empty() {
            condition.subjects.iter().map(|subject| hasher.term(Term::Subject(subject))).collect()
        } else if let Some(tag) = condition.tags.first() {
            vec![hasher.term(Term::Tag(tag))]
        } else {
            condition.types.iter().map(|name| hasher.term(Term::Type(name))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NewEvent, Timestamp};
    use crate::store::{Accepted, Append, Proposal, testing};

    #[test]
    fn behind_a_place_that_is_not_there_yet_nothing_has_come_and_the_writer_goes_on() {
        let mut store = testing::store();
        let mut append = |id: &str, condition: Option<Condition>| {
            let (source, r#type, content_type) = ("/shop".to_owned(), "order.placed".to_owned(), "text/plain".to_owned());
            let event = NewEvent { id: id.into(), source, r#type, content_type, subject: "order/1".into(), ..NewEvent::default() };
            let append = Append { events: vec![event], condition, ..Append::default() };
            let committed = store.commit([Proposal::Append(append)], Timestamp(1)).expect("the writer goes on");
            matches!(committed.answers[..], [Ok(Accepted::Appended(_))])
        };
        assert!(append("first", None));
        let after = |after: u64| Condition { after: Position(after), ..Condition::default() };
        for (number, place) in [2, 3, u64::MAX - 1, u64::MAX].into_iter().enumerate() {
            assert!(append(&format!("any {number}"), Some(after(place))), "{place}");
            let subjects = Condition { subjects: vec!["order/2".into()], ..after(place) };
            assert!(append(&format!("subject {number}"), Some(subjects)), "{place}");
        }
        assert!(!append("late", Some(after(1))));
    }
}
