//! `knock-on`: says which late departures follow a late arrival of the same aircraft.

use retold::prelude::*;

use crate::events::{Arrived, Departed, KnockOn};
use crate::late::LATE_MINUTES;

/// Read in one order, as they were recorded.
#[derive(Event)]
pub enum Movement<'a> {
    Departed(Departed<'a>),
    Arrived(Arrived<'a>),
}

/// The last recorded arrival of an aircraft, kept under its tail number.
#[derive(Serialize, Deserialize)]
pub struct LastArrival {
    flight: String,
    /// Minutes; absent where the flight was diverted, which counts as not late.
    arr_delay: Option<i32>,
}

#[handler(name = "knock-on", start = "beginning")]
pub fn knock_on(movement: Recorded<Movement>, arrivals: &mut State<LastArrival>) -> Result<Option<Emit<KnockOn>>> {
    let flight = || movement.subject().to_owned();
    match &*movement {
        Movement::Arrived(arrived) => {
            if let Some(tail_number) = arrived.tail_number {
                let last = LastArrival { flight: flight(), arr_delay: arrived.arr_delay };
                arrivals.put(tail_number, &last)?;
            }
            Ok(None)
        }
        Movement::Departed(departed) => {
            let dep_delay = departed.dep_delay;
            let Some(tail_number) = departed.tail_number.filter(|_| dep_delay > LATE_MINUTES) else {
                return Ok(None);
            };
            let last = arrivals.get(tail_number)?;
            Ok(last.and_then(|last| {
                let arr_delay = last.arr_delay.filter(|delay| *delay > LATE_MINUTES)?;
                let knock_on = KnockOn { flight: flight(), dep_delay, after: last.flight, arr_delay };
                Some(knock_on.about(tail_number))
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Output, Trial};

    use super::*;

    fn departed(flight: &str, tail_number: &str, delay: i32) -> Given {
        let data = format!(r#"{{"tailnum":{tail_number},"dep_delay":{delay}}}"#);
        Given::json("flight.departed", data).about(flight)
    }

    fn arrived(flight: &str, tail_number: &str, delay: &str) -> Given {
        let data = format!(r#"{{"tailnum":{tail_number},"arr_delay":{delay}}}"#);
        Given::json("flight.arrived", data).about(flight)
    }

    /// What comes out when these happen in this order.
    fn outputs(movements: &[Given]) -> Vec<Output> {
        let mut trial = Trial::<knock_on>::new();
        let given = movements.iter();
        given.flat_map(|it| trial.give(it).unwrap()).collect()
    }

    #[test]
    fn a_late_departure_after_a_late_arrival_of_the_same_aircraft_is_a_knock_on() {
        let late = LATE_MINUTES + 1;
        let outputs = outputs(&[arrived("AA/1/2013-01-01", r#""N1""#, &late.to_string()), departed("AA/2/2013-01-01", r#""N1""#, 40)]);
        assert_eq!(outputs.len(), 1);
        assert_eq!(outputs[0].event_type, "aircraft.knock-on");
        assert_eq!(outputs[0].subject, "N1");
        let expected =
            KnockOn { flight: "AA/2/2013-01-01".to_owned(), dep_delay: 40, after: "AA/1/2013-01-01".to_owned(), arr_delay: late };
        assert_eq!(outputs[0].read::<KnockOn>(), expected);
    }

    #[test]
    fn only_the_last_arrival_counts() {
        let late = arrived("AA/1/2013-01-01", r#""N1""#, "90");
        let departure = departed("AA/3/2013-01-01", r#""N1""#, 40);
        for last in [&LATE_MINUTES.to_string(), "-4", "null"] {
            let last = arrived("AA/2/2013-01-01", r#""N1""#, last);
            assert_eq!(outputs(&[late.clone(), last, departure.clone()]), []);
        }
    }

    #[test]
    fn an_aircraft_is_not_to_blame_for_another_or_for_one_that_nobody_recorded() {
        let late = arrived("AA/1/2013-01-01", r#""N1""#, "90");
        let other = departed("AA/2/2013-01-01", r#""N2""#, 40);
        let unknown = departed("AA/3/2013-01-01", "null", 40);
        let unknown_late = arrived("AA/4/2013-01-01", "null", "90");
        let again = departed("AA/5/2013-01-01", "null", 40);
        assert_eq!(outputs(&[late, other, unknown, unknown_late, again]), []);
    }

    #[test]
    fn a_departure_in_time_is_no_knock_on() {
        let late = arrived("AA/1/2013-01-01", r#""N1""#, "90");
        let departure = departed("AA/2/2013-01-01", r#""N1""#, LATE_MINUTES);
        assert_eq!(outputs(&[late, departure]), []);
    }
}
