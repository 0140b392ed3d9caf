//! `Shape`: what may come out of a function, known while it compiles, so that what the host would refuse
//! doesn't compile.

use crate::names::{equal, reads};

/// What an [`Answer`](crate::Answer) may hold.
#[doc(hidden)]
pub enum Shape {
    /// Of this type; so the others.
    Event(&'static str),
    Command(&'static str),
    Timer(&'static str),
    Cancel,
    Request,
    Any(&'static [Shape]),
}

/// Whether any part is so: a closure can't be called in a constant.
macro_rules! any {
    ($parts:ident, $part:ident => $is_so:expr) => {{
        let mut found = false;
        let mut index = 0;
        while index < $parts.len() {
            let $part = &$parts[index];
            found = found || $is_so;
            index += 1;
        }
        found
    }};
}

impl Shape {
    /// Of what checks nothing.
    pub const NOTHING: Shape = Shape::Any(&[]);

    pub const fn has(&self, wanted: &Shape) -> bool {
        match (self, wanted) {
            (Shape::Any(parts), _) => any!(parts, part => part.has(wanted)),
            (Shape::Event(one), Shape::Event(other)) => equal(one, other),
            (Shape::Command(one), Shape::Command(other)) => equal(one, other),
            (Shape::Timer(one), Shape::Timer(other)) => equal(one, other),
            (Shape::Cancel, Shape::Cancel) | (Shape::Request, Shape::Request) => true,
            _ => false,
        }
    }

    /// Whether timers may be set or cancelled.
    pub const fn has_timers(&self) -> bool {
        match self {
            Shape::Timer(_) | Shape::Cancel => true,
            Shape::Any(parts) => any!(parts, part => part.has_timers()),
            _ => false,
        }
    }

    /// Whether nothing but events may come.
    pub const fn only_events(&self) -> bool {
        match self {
            Shape::Event(_) => true,
            Shape::Any(parts) => !any!(parts, part => !part.only_events()),
            _ => false,
        }
    }

    /// Whether all timers make events that somebody with these subscriptions reads.
    pub const fn timers_are_read(&self, subscribes: &[&str]) -> bool {
        match self {
            Shape::Timer(of_type) => reads(subscribes, of_type),
            Shape::Any(parts) => !any!(parts, part => !part.timers_are_read(subscribes)),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Shape = Shape::Any(&[Shape::Event("a"), Shape::Any(&[Shape::Timer("t"), Shape::Command("c")]), Shape::Request]);

    #[test]
    fn what_lies_deep_is_found_and_what_is_not_there_is_not() {
        assert!(MANY.has(&Shape::Event("a")) && !MANY.has(&Shape::Event("t")) && !MANY.has(&Shape::Event("c")));
        assert!(MANY.has(&Shape::Command("c")) && !MANY.has(&Shape::Command("a")));
        assert!(MANY.has(&Shape::Timer("t")) && !MANY.has(&Shape::Timer("a")));
        assert!(MANY.has(&Shape::Request) && !MANY.has(&Shape::Cancel));
        assert!(MANY.has_timers() && !MANY.only_events());
        assert!(Shape::Cancel.has_timers() && !Shape::Event("a").has_timers());
        assert!(Shape::Any(&[Shape::Event("a"), Shape::NOTHING]).only_events());
    }

    #[test]
    fn a_timer_is_read_by_its_type_or_by_a_pattern() {
        assert!(MANY.timers_are_read(&["x", "t"]) && MANY.timers_are_read(&["*"]));
        assert!(!MANY.timers_are_read(&["a", "tt", "tt*"]));
        assert!(Shape::Event("a").timers_are_read(&[]));
    }
}
