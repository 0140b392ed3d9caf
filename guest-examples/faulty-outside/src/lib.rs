//! Timers, requests, commands and ingress that misbehave on request, for the tests of the host.
//!
//! | function | is a | takes | gives |
//! |---|---|---|---|
//! | `reach-out` | handler | `test.reach` `{"do": "timer_flood"}`: see [`reach::What`]; `test.came`, replies and failures | timers, requests and commands, most of them bad; `test.told` with what came back |
//! | `left`, `right` | aggregates | `test.go-left`, `test.go-right` | `test.gone-left`, `test.gone-right` |
//! | `circle-left`, `circle-right` | handlers | `test.gone-left`, `test.gone-right` | the command of the other side: a circle |
//! | `stubborn` | aggregate | `test.never` | refuses everything |
//! | `nagging` | handler | `test.nag`, refusals | `test.never`, again each time it is refused: a circle by refusals |
//! | `self-timer` | handler | `test.tick` | a timer that is due at once and makes `test.tick` |
//! | `renewing` | handler | `test.renewed` `{"every_seconds": 60}` | a timer that is due so much later and makes the same: no circle |
//! | `rising` | handler | `test.morning` of three schedules: one for each policy of missed ones | nothing |
//! | `bad-ingress` | ingress | a body `{"do": "trap"}`: see [`accept::What`] | bad events and bad answers |

pub mod accept;
pub mod circle;
pub mod clock;
pub mod reach;

retold::module!(
    reach::reach_out,
    circle::Left,
    circle::Right,
    circle::circle_left,
    circle::circle_right,
    circle::Stubborn,
    circle::nagging,
    circle::self_timer,
    clock::renewing,
    clock::rising,
    accept::bad_ingress
);
