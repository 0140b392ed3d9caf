//! Answers to appends.

use http::{Response, StatusCode};
use retold_engine::model::Position;

use super::super::body::{self, Body};
use super::super::cursor::write_cursor;
use super::super::json::{write_number, write_text};
use crate::drive::{Append, Handled};

/// 201 if something is new, 200 if all of it was known; 202 if it stands, but not all was handled.
pub fn response(append: &Append) -> Response<Body> {
    let mut out = Vec::with_capacity(64 + append.positions.len() * 12);
    out.extend_from_slice(b"{\"positions\":");
    write_positions(&mut out, &append.positions);
    let last = append.positions.iter().max().copied().unwrap_or_default();
    write_end(&mut out, append.generation, last, append.new);
    let mut status = if append.new > 0 { StatusCode::CREATED } else { StatusCode::OK };
    if let Some(handled) = &append.handled {
        write_handled(&mut out, handled);
        if !handled.complete {
            status = StatusCode::ACCEPTED;
        }
    }
    out.push(b'}');
    body::answer(status, "application/json", Body::full(out))
}

/// What a stream of lines came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Lines that stand, new or known.
    pub events: u64,
    pub new: usize,
    /// The highest position among them, of this generation.
    pub last: Position,
    pub generation: u64,
}

impl Tally {
    pub fn of(generation: u64) -> Tally {
        Tally { generation, ..Tally::default() }
    }

    pub fn add(&mut self, append: &Append) {
        if append.generation != self.generation {
            (self.generation, self.last) = (append.generation, Position::START);
        }
        self.events += append.positions.len() as u64;
        self.new += append.new;
        self.last = self.last.max(append.positions.iter().max().copied().unwrap_or_default());
    }

    pub fn response(&self) -> Response<Body> {
        let mut out = b"{\"events\":".to_vec();
        write_number(&mut out, self.events);
        write_end(&mut out, self.generation, self.last, self.new);
        out.push(b'}');
        let status = if self.new > 0 { StatusCode::CREATED } else { StatusCode::OK };
        body::answer(status, "application/json", Body::full(out))
    }
}

fn write_end(out: &mut Vec<u8>, generation: u64, last: Position, new: usize) {
    out.extend_from_slice(b",\"cursor\":\"");
    write_cursor(out, generation, last);
    out.extend_from_slice(b"\",\"new\":");
    write_number(out, new as u64);
}

pub fn write_handled(out: &mut Vec<u8>, handled: &Handled) {
    out.extend_from_slice(if handled.complete { b",\"handled\":true,\"derived\":" } else { b",\"handled\":false,\"derived\":" });
    write_positions(out, &handled.derived);
    out.extend_from_slice(b",\"parked\":[");
    for (index, (function, position)) in handled.parked.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"function\":" } else { b",{\"function\":" });
        write_text(out, function);
        out.extend_from_slice(b",\"position\":\"");
        write_number(out, position.0);
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"],\"waiting\":[");
    for (index, function) in handled.waiting.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(out, function);
    }
    out.push(b']');
}

fn write_positions(out: &mut Vec<u8>, positions: &[Position]) {
    out.push(b'[');
    for (index, position) in positions.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        write_number(out, position.0);
        out.push(b'"');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(append: &Append, status: u16, json: &str) {
        let response = response(append);
        let Body::Whole(bytes) = response.body() else { panic!("whole") };
        assert_eq!((response.status().as_u16(), std::str::from_utf8(bytes)), (status, Ok(json)));
    }

    #[test]
    fn an_answer_tells_where_the_events_are_and_what_is_new() {
        let positions = vec![Position(7), Position(3)];
        check(
            &Append { generation: 2, positions: positions.clone(), new: 1, handled: None },
            201,
            r#"{"positions":["7","3"],"cursor":"2.7","new":1}"#,
        );
        check(&Append { generation: 2, positions, new: 0, handled: None }, 200, r#"{"positions":["7","3"],"cursor":"2.7","new":0}"#);
        check(&Append { generation: 2, positions: vec![], new: 0, handled: None }, 200, r#"{"positions":[],"cursor":"2.0","new":0}"#);
    }

    #[test]
    fn what_functions_made_of_it_is_told_and_what_is_not_done_yet() {
        let handled = Handled {
            complete: true,
            derived: vec![Position(8)],
            parked: vec![("f".into(), Position(7)), ("g".into(), Position(8))],
            waiting: vec![],
        };
        check(
            &Append { generation: 2, positions: vec![Position(7)], new: 1, handled: Some(handled) },
            201,
            r#"{"positions":["7"],"cursor":"2.7","new":1,"handled":true,"derived":["8"],"parked":[{"function":"f","position":"7"},{"function":"g","position":"8"}],"waiting":[]}"#,
        );
        let handled = Handled { complete: false, waiting: vec!["f".into(), "g".into()], ..Handled::default() };
        check(
            &Append { generation: 2, positions: vec![Position(7)], new: 0, handled: Some(handled) },
            202,
            r#"{"positions":["7"],"cursor":"2.7","new":0,"handled":false,"derived":[],"parked":[],"waiting":["f","g"]}"#,
        );
    }
}
