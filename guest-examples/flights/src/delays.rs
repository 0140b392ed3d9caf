//! `delays`: says which flights departed late.

use retold::prelude::*;

use crate::events::{Delayed, Departed};
use crate::late::LATE_MINUTES;

#[handler(start = "beginning")]
pub fn delays(flight: Recorded<Departed>) -> Result<Option<Delayed>> {
    let dep_delay = flight.dep_delay;
    Ok((dep_delay > LATE_MINUTES).then_some(Delayed { dep_delay }))
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    fn emitted_for_delay(minutes: i32) -> Vec<Delayed> {
        let data = format!(r#"{{"tailnum":"N14228","dep_delay":{minutes}}}"#);
        let departed = Given::json("flight.departed", data).about("UA/1545/2013-01-01");
        let outputs = Trial::<delays>::new().give(&departed).unwrap();
        assert!(outputs.iter().all(|it| it.subject == "UA/1545/2013-01-01"));
        outputs.iter().map(|it| it.read()).collect()
    }

    #[test]
    fn a_flight_is_delayed_from_a_minute_more_than_the_threshold_on() {
        assert_eq!(emitted_for_delay(-3), []);
        assert_eq!(emitted_for_delay(LATE_MINUTES), []);
        assert_eq!(emitted_for_delay(LATE_MINUTES + 1), [Delayed { dep_delay: LATE_MINUTES + 1 }]);
    }
}
