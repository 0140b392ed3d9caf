//! Bad things that any kind of function can do.

use std::hint::black_box;

use retold::__private::{Output, Unchecked, wire};

/// For ever, until the host has enough of it.
pub fn run_for_ever() -> ! {
    let mut n = 0_u64;
    loop {
        n = black_box(n).wrapping_add(1);
    }
}

/// A mebibyte at a time, written to so that it counts. Where no more is given Rust aborts: a trap.
pub fn eat_memory() -> ! {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(black_box(vec![1; 1 << 20]));
    }
}

/// One output that nobody checks, beside none that anybody does.
pub fn unchecked<T>(event_type: &str, subject: &str, data: &[u8]) -> (Vec<T>, Unchecked) {
    let event = wire::NewEvent {
        type_: event_type.to_owned(),
        subject: subject.to_owned(),
        tags: Vec::new(),
        content_type: None,
        data: data.to_owned(),
        key: None,
        time: None,
    };
    (Vec::new(), Unchecked(vec![(None, Output::Emit(event))]))
}
