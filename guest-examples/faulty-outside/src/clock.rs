//! Functions that live by the clock, as they may: what a host that was down makes up for.

use std::time::Duration;

use retold::prelude::*;

#[derive(Event, Serialize, Deserialize)]
#[event("test.renewed")]
pub struct Renewed {
    every_seconds: u64,
}

#[handler(start = "beginning")]
pub fn renewing(event: Recorded<Renewed>) -> Result<Timer<Renewed>> {
    let every_seconds = event.every_seconds;
    Ok(Timer::after(Duration::from_secs(every_seconds), event.subject(), Renewed { every_seconds }))
}

#[derive(Event, Deserialize)]
#[event("test.morning")]
pub struct Morning {}

#[handler(
    schedule(key = "all", cron = "30 3 * * *", event = Morning),
    schedule(key = "latest", cron = "30 3 * * *", event = Morning, missed = "latest"),
    schedule(key = "skip", cron = "30 3 * * *", event = Morning, missed = "skip")
)]
pub fn rising(_event: Recorded<Morning>) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn what_renews_itself_is_due_again_as_much_later() {
        let mut trial = Trial::<renewing>::new();
        let mut outputs =
            trial.give(&Given::json("test.renewed", r#"{"every_seconds":60}"#).about("x").at("2026-01-01T00:00:00Z")).unwrap();
        for due in ["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"] {
            assert_eq!(outputs, []);
            assert_eq!(trial.timers()[0].due.to_string(), due);
            outputs = trial.advance(Duration::from_secs(60)).unwrap();
        }
    }
}
