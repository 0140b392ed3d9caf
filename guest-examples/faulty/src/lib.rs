//! Handlers that misbehave on request, for the tests of the host.
//!
//! | handler | reads | emits | state |
//! |---|---|---|---|
//! | `misbehave` | `test.do` `{"do": "trap"}`: see [`misbehave::What`] | `test.done`, the data as it came | none, but for `state_flood` |
//! | `counter` | `test.count` | `test.counted` `{"n": 3}`: events of this subject so far | the count, by subject |
//! | `echo-loop` | `test.loop` | `test.loop`, for ever | none |

pub mod counter;
pub mod echo_loop;
pub mod misbehave;

retold::module!(misbehave::misbehave, counter::counter, echo_loop::echo_loop);
