//! The unsealed tail of the log, indexed in memory: ids, subjects, types, tags. Made again from the
//! log at every open. Parts are sealed one by one, oldest first.

use std::collections::VecDeque;
use std::sync::Arc;

use super::terms::{HashedMap, Term, TermHasher};
use super::types::TypeCount;
use crate::model::limits::{TAIL_BYTES_MAX, TAIL_EVENTS_MAX};
use crate::model::{Kind, Position, Record};

/// Records kept decoded for readers near the head.
const RECENT_BYTES_MAX: usize = 8 << 20;
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub struct Tail {
    parts: VecDeque<Part>,
    recent: VecDeque<Arc<Record>>,
    recent_bytes: usize,
}

/// A stretch of the tail: what one segment will hold.
#[derive(Debug)]
pub struct Part {
    pub first: Position,
    pub count: u32,
    pub bytes: usize,
    /// The last commit of the part, once it is closed.
    pub closed_at: Option<u64>,
    /// Hash of an id -> link of its latest event.
    ids: HashedMap<u32>,
    /// Hash of a term -> link of its latest event.
    terms: HashedMap<u32>,
    links: Vec<Link>,
    /// Hash of a type and kind -> how often it is here; `types` are durable, `coming` are not yet.
    types: HashedMap<TypeCount>,
    coming: HashedMap<TypeCount>,
    /// The hashes in `types`, in the order of their first events.
    type_hashes: Vec<u64>,
    coming_hashes: Vec<u64>,
}

/// What an entry of the log is found by, beside its tags.
#[derive(Clone, Copy, Debug)]
pub struct Indexed<'a> {
    pub id_hash: u64,
    pub kind: Kind,
    pub r#type: &'a str,
    pub subject: &'a str,
}

/// One event under one hash, and the event before it under the same hash.
#[derive(Clone, Copy, Debug)]
struct Link {
    offset: u32,
    before: u32,
}

impl Part {
    fn new(first: Position) -> Part {
        Part {
            first,
            count: 0,
            bytes: 0,
            closed_at: None,
            ids: HashedMap::default(),
            terms: HashedMap::default(),
            links: Vec::new(),
            types: HashedMap::default(),
            coming: HashedMap::default(),
            type_hashes: Vec::new(),
            coming_hashes: Vec::new(),
        }
    }

    fn count_type(&mut self, hash: u64, kind: Kind, r#type: &str, position: Position) {
        let hash = match kind {
            Kind::Event => hash,
            Kind::Command => !hash,
            Kind::Timer => hash.rotate_left(1) ^ 1,
            Kind::Request => !hash.rotate_left(1),
        };
        match self.coming.get_mut(&hash) {
            Some(seen) => {
                seen.count += 1;
                seen.last = position;
            }
            None => {
                self.coming_hashes.push(hash);
                self.coming.insert(hash, TypeCount { r#type: r#type.to_owned(), kind, count: 1, first: position, last: position });
            }
        }
    }

    /// What was counted is durable.
    fn types_committed(&mut self) {
        for hash in self.coming_hashes.drain(..) {
            let Some(coming) = self.coming.remove(&hash) else { continue };
            match self.types.get_mut(&hash) {
                Some(seen) => seen.add(&coming),
                None => {
                    self.type_hashes.push(hash);
                    self.types.insert(hash, coming);
                }
            }
        }
    }

    pub fn last(&self) -> Position {
        Position(self.first.0 + u64::from(self.count) - 1)
    }

    fn link(map: &mut HashedMap<u32>, links: &mut Vec<Link>, hash: u64, offset: u32) {
        let link = links.len() as u32;
        let before = map.insert(hash, link).unwrap_or(NONE);
        links.push(Link { offset, before });
    }

    fn walk<'a>(&'a self, map: &HashedMap<u32>, hash: u64) -> impl Iterator<Item = Position> + use<'a> {
        let mut next = map.get(&hash).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let link = self.links.get(next as usize)?;
            next = link.before;
            Some(Position(self.first.0 + u64::from(link.offset)))
        })
    }
}

impl Tail {
    /// An empty tail that begins after `sealed`.
    pub fn new(sealed: Position) -> Tail {
        Tail { parts: VecDeque::from([Part::new(sealed.next())]), recent: VecDeque::new(), recent_bytes: 0 }
    }

    fn open_part(&mut self) -> &mut Part {
        self.parts.back_mut().expect("a tail always has an open part")
    }

    /// Indexes one event, which must be the next one.
    pub fn push<'a>(&mut self, hasher: &TermHasher, position: Position, entry: Indexed<'_>, tags: impl Iterator<Item = &'a str>) {
        let part = self.open_part();
        let offset = part.count;
        assert_eq!(position.0, part.first.0 + u64::from(offset), "gap in the tail");
        Part::link(&mut part.ids, &mut part.links, entry.id_hash, offset);
        let type_hash = hasher.term(Term::Type(entry.r#type));
        part.count_type(type_hash, entry.kind, entry.r#type, position);
        Part::link(&mut part.terms, &mut part.links, type_hash, offset);
        Part::link(&mut part.terms, &mut part.links, hasher.term(Term::Subject(entry.subject)), offset);
        for tag in tags {
            Part::link(&mut part.terms, &mut part.links, hasher.term(Term::Tag(tag)), offset);
        }
        part.count += 1;
    }

    /// Takes note that everything indexed so far is committed, by these records: keeps them at hand, and
    /// closes the part if it is full. Never between records of one commit, whose events are all indexed.
    pub fn committed(&mut self, records: &[Arc<Record>]) {
        let Some(last) = records.last() else { return };
        let part = self.open_part();
        part.types_committed();
        part.bytes += records.iter().map(|record| record.bytes().len()).sum::<usize>();
        if part.count as usize >= TAIL_EVENTS_MAX || part.bytes >= TAIL_BYTES_MAX {
            self.close(last.commit);
        }
        for record in records.iter().filter(|record| record.count > 0) {
            self.recent_bytes += record.bytes().len();
            self.recent.push_back(record.clone());
            while self.recent_bytes > RECENT_BYTES_MAX && self.recent.len() > 1 {
                self.recent_bytes -= self.recent.pop_front().map_or(0, |old| old.bytes().len());
            }
        }
    }

    /// Ends the open part at `commit`, so that it can be sealed.
    pub fn close(&mut self, commit: u64) {
        let part = self.open_part();
        part.closed_at = Some(commit);
        let next = part.last().next();
        self.parts.push_back(Part::new(next));
    }

    /// The oldest part, if it waits to be sealed.
    pub fn closed(&self) -> Option<&Part> {
        self.parts.front().filter(|part| part.closed_at.is_some())
    }

    pub fn parts_closed(&self) -> usize {
        self.parts.len() - 1
    }

    pub fn forget_sealed(&mut self) {
        assert!(self.parts.len() > 1, "the open part is never sealed");
        self.parts.pop_front();
    }

    /// Of each part its first position, and the types in it as far as they are durable.
    pub fn types(&self) -> Vec<(Position, Vec<TypeCount>)> {
        let of = |part: &Part| part.type_hashes.iter().filter_map(|hash| part.types.get(hash).cloned()).collect();
        self.parts.iter().map(|part| (part.first, of(part))).collect()
    }

    pub fn with_id(&self, hash: u64) -> impl Iterator<Item = Position> + '_ {
        self.parts.iter().rev().flat_map(move |part| part.walk(&part.ids, hash))
    }

    /// Positions under a term that come after `after`, newest first.
    pub fn with_term(&self, hash: u64, after: Position) -> impl Iterator<Item = Position> + '_ {
        self.parts
            .iter()
            .rev()
            .take_while(move |part| part.last() > after || part.count == 0)
            .flat_map(move |part| part.walk(&part.terms, hash).take_while(move |position| *position > after))
    }

    /// The record that holds `position`, if it is still at hand.
    pub fn recent(&self, position: Position) -> Option<Arc<Record>> {
        let index = self.recent.partition_point(|record| record.first <= position).checked_sub(1)?;
        self.recent.get(index).filter(|record| position <= record.last()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASHER: TermHasher = TermHasher::new([1; 16]);

    fn push(tail: &mut Tail, position: u64, subject: &str, tags: &[&str]) {
        let entry = Indexed { id_hash: HASHER.id("/shop", &position.to_string()), kind: Kind::Event, r#type: "order.placed", subject };
        tail.push(&HASHER, Position(position), entry, tags.iter().copied());
    }

    #[track_caller]
    fn check(tail: &Tail, term: Term<'_>, after: u64, expected: &[u64]) {
        let found: Vec<u64> = tail.with_term(HASHER.term(term), Position(after)).map(|position| position.0).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_pushed_is_found_by_id_type_subject_and_tag_newest_first() {
        let mut tail = Tail::new(Position(10));
        push(&mut tail, 11, "a", &["x"]);
        push(&mut tail, 12, "b", &["x", "y"]);
        tail.close(7);
        push(&mut tail, 13, "a", &[]);
        push(&mut tail, 14, "", &["y"]);
        check(&tail, Term::Type("order.placed"), 0, &[14, 13, 12, 11]);
        check(&tail, Term::Type("order.placed"), 12, &[14, 13]);
        check(&tail, Term::Subject("a"), 0, &[13, 11]);
        check(&tail, Term::Subject("a"), 13, &[]);
        check(&tail, Term::Subject(""), 0, &[14]);
        check(&tail, Term::Tag("y"), 11, &[14, 12]);
        check(&tail, Term::Tag("a"), 0, &[]);
        assert_eq!(tail.with_id(HASHER.id("/shop", "12")).collect::<Vec<_>>(), [Position(12)]);
        assert_eq!(tail.with_id(HASHER.id("/shop", "15")).count(), 0);
    }

    #[test]
    fn a_part_that_was_sealed_is_forgotten_and_the_others_stay() {
        let mut tail = Tail::new(Position(0));
        push(&mut tail, 1, "a", &[]);
        tail.close(1);
        // A part of commits without events.
        tail.close(2);
        push(&mut tail, 2, "a", &[]);
        assert_eq!((tail.parts_closed(), tail.closed().and_then(|part| part.closed_at)), (2, Some(1)));
        tail.forget_sealed();
        check(&tail, Term::Subject("a"), 0, &[2]);
        assert_eq!(tail.closed().map(|part| (part.closed_at, part.count)), Some((Some(2), 0)));
        tail.forget_sealed();
        assert!(tail.closed().is_none());
        check(&tail, Term::Subject("a"), 0, &[2]);
    }
}
