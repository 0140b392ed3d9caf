//! Functions that go in circles: by commands, by refusals, by timers.

use std::time::Duration;

use retold::prelude::*;

#[derive(Command, Serialize, Deserialize)]
#[command("test.go-left")]
pub struct GoLeft {}

#[derive(Command, Serialize, Deserialize)]
#[command("test.go-right")]
pub struct GoRight {}

#[derive(Event, Serialize, Deserialize)]
#[event("test.gone-left")]
pub struct GoneLeft {}

#[derive(Event, Serialize, Deserialize)]
#[event("test.gone-right")]
pub struct GoneRight {}

#[derive(Default, Serialize, Deserialize)]
pub struct Left {
    times: u64,
}

#[aggregate]
impl Left {
    #[decide]
    fn go(&self, _command: Received<GoLeft>) -> Result<GoneLeft, Rejection> {
        Ok(GoneLeft {})
    }

    #[evolve]
    fn gone(&mut self, _event: Recorded<GoneLeft>) {
        self.times += 1;
    }
}

#[derive(Default, Serialize, Deserialize)]
pub struct Right {
    times: u64,
}

#[aggregate]
impl Right {
    #[decide]
    fn go(&self, _command: Received<GoRight>) -> Result<GoneRight, Rejection> {
        Ok(GoneRight {})
    }

    #[evolve]
    fn gone(&mut self, _event: Recorded<GoneRight>) {
        self.times += 1;
    }
}

#[handler(start = "beginning")]
pub fn circle_left(event: Recorded<GoneLeft>) -> Result<Sent<GoRight>> {
    Ok(GoRight {}.to(event.subject()))
}

#[handler(start = "beginning")]
pub fn circle_right(event: Recorded<GoneRight>) -> Result<Sent<GoLeft>> {
    Ok(GoLeft {}.to(event.subject()))
}

#[derive(Command, Serialize, Deserialize)]
#[command("test.never")]
pub struct Never {}

/// Never happens: an aggregate evolves something.
#[derive(Event, Serialize, Deserialize)]
#[event("test.softened")]
pub struct Softened {}

#[derive(Default, Serialize, Deserialize)]
pub struct Stubborn {}

#[aggregate]
impl Stubborn {
    #[decide]
    fn never(&self, _command: Received<Never>) -> Result<(), Rejection> {
        Err(Rejection::new("never", "whatever it is"))
    }

    #[evolve]
    fn softened(&mut self, _event: Recorded<Softened>) {}
}

#[derive(Event, Deserialize)]
#[event("test.nag")]
pub struct Nag {}

#[derive(Event)]
pub enum Nagged {
    Nag(Nag),
    Refused(Refused),
}

#[handler(start = "beginning")]
pub fn nagging(event: Recorded<Nagged>) -> Result<Sent<Never>> {
    Ok(Never {}.to(event.subject()))
}

#[derive(Event, Serialize, Deserialize)]
#[event("test.tick")]
pub struct Tick {}

#[handler(name = "self-timer", start = "beginning")]
pub fn self_timer(event: Recorded<Tick>) -> Result<Timer<Tick>> {
    Ok(Timer::after(Duration::ZERO, event.subject(), Tick {}))
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn each_side_sends_the_other_one() {
        let mut left = Trial::<circle_left>::new();
        left.give(&Given::event(&GoneLeft {}).about("x")).unwrap();
        assert_eq!(left.commands()[0].command_type, "test.go-right");
        let mut right = Trial::<circle_right>::new();
        right.give(&Given::event(&GoneRight {}).about("x")).unwrap();
        assert_eq!(right.commands()[0].command_type, "test.go-left");
    }

    #[test]
    fn a_refusal_is_answered_with_the_same_command() {
        let mut trial = Trial::<nagging>::new();
        trial.give(&Given::json("test.nag", "{}").about("x")).unwrap();
        let command = trial.commands().remove(0);
        trial.refuse(&command, &Rejection::new("never", "")).unwrap();
        assert_eq!(trial.commands(), [command]);
    }
}
