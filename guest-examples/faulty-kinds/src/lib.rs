//! An aggregate, a view and an upcaster that misbehave on request, for the tests of the host. A module
//! of its own, so that `faulty` has handlers only.
//!
//! | function | is a | takes | gives |
//! |---|---|---|---|
//! | `faulty-account` | aggregate | `test.decide` `{"do": "trap", "in": "decide"}`: see [`aggregate::What`] | `test.decided` |
//! | `faulty-rows` | view | `test.show` `{"do": "trap"}`: see [`view::What`] | a count by subject; the query `misbehave`: see [`view::Question`] |
//! | `faulty-upcaster` | upcaster | `test.old` `{"do": "trap"}`: see [`upcaster::What`] | `test.new` `{"n": 0}` |
//! | `new-reader` | handler | `test.new` | `test.seen` with its `n` |
//! | `static-counter` | handler | `test.nondeterministic` | `test.nondeterministically-counted` `{"n": 3}`: events that this instance has seen |

pub mod aggregate;
mod harm;
pub mod static_counter;
pub mod upcaster;
pub mod view;

retold::module!(
    aggregate::FaultyAccount,
    view::faulty_rows,
    view::misbehave_in_query,
    upcaster::faulty_upcaster,
    upcaster::new_reader,
    static_counter::static_counter
);
