//! `delays-by-month` and `delays-by-carrier`: how late each carrier was in each month, kept twice: as
//! one unit of state, and split by carrier so that carriers may be read side by side.

use retold::prelude::*;

use crate::events::DepartureDelay;
use crate::late::LATE_MINUTES;

/// The departures of a carrier in a month.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Month {
    pub departed: u64,
    /// Of these, late.
    pub delayed: u64,
    /// Minutes of all departures together; early ones count against late ones.
    pub delay_minutes: i64,
}

impl Month {
    fn add(&mut self, dep_delay: i32) {
        self.departed += 1;
        self.delayed += u64::from(dep_delay > LATE_MINUTES);
        self.delay_minutes += i64::from(dep_delay);
    }
}

/// Keyed `CARRIER/YYYY-MM`.
#[view]
pub fn delays_by_month(flight: Recorded<DepartureDelay>, months: &mut Rows<Month>) -> Result<()> {
    let (carrier, month) = carrier_and_month(flight.subject())?;
    let key = [carrier, "/", month].concat();
    months.update(&key, |row| row.add(flight.dep_delay))
}

/// Keyed `YYYY-MM` within the carrier.
#[view(split = 1)]
pub fn delays_by_carrier(flight: Recorded<DepartureDelay>, months: &mut Rows<Month>) -> Result<()> {
    let (_, month) = carrier_and_month(flight.subject())?;
    months.update(month, |row| row.add(flight.dep_delay))
}

/// `UA/1545/2013-01-01` → `UA`, `2013-01`: the month of the scheduled departure in New York.
fn carrier_and_month(subject: &str) -> Result<(&str, &str)> {
    let parts = || {
        let (carrier, rest) = subject.split_once('/')?;
        let (_, date) = rest.split_once('/')?;
        Some((carrier, date.get(..7)?))
    };
    parts().ok_or_else(|| Error::reject(format!("{subject:?} is not CARRIER/NUMBER/DATE")))
}

#[derive(Deserialize)]
pub struct OfCarrier {
    pub carrier: String,
}

/// The months of a carrier, in their order.
#[query(view = delays_by_carrier)]
pub fn of_carrier(question: OfCarrier, months: &Rows<Month>) -> Result<Vec<(String, Month)>, Rejection> {
    let prefix = format!("{}/", question.carrier);
    let rows = months.scan(&prefix);
    Ok(rows.map(|row| row.map(|(key, month)| (key[prefix.len()..].to_owned(), month))).collect::<Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use retold::View;
    use retold::testing::{Given, Trial};

    use super::*;

    fn after_three_flights<V: View<Row = Month>>() -> Trial<V> {
        let mut trial = Trial::new();
        for (flight, delay) in [("UA/1/2013-01-01", LATE_MINUTES + 1), ("UA/2/2013-01-31", -3), ("AA/1/2013-02-01", LATE_MINUTES)] {
            let data = format!(r#"{{"carrier":"XX","tailnum":null,"dep_delay":{delay},"dest":"IAH"}}"#);
            trial.project(&Given::json("flight.departed", data).about(flight)).unwrap();
        }
        trial
    }

    fn january_of_united() -> Option<Month> {
        Some(Month { departed: 2, delayed: 1, delay_minutes: i64::from(LATE_MINUTES) - 2 })
    }

    #[test]
    fn departures_are_counted_by_carrier_and_month_of_their_subject() {
        let trial = after_three_flights::<delays_by_month>();
        assert_eq!(trial.row("UA/2013-01"), january_of_united());
        assert_eq!(trial.row("AA/2013-02"), Some(Month { departed: 1, delayed: 0, delay_minutes: LATE_MINUTES.into() }));
        assert_eq!(trial.row("AA/2013-01"), None);
    }

    #[test]
    fn split_by_carrier_the_rows_have_the_same_keys_for_readers() {
        let mut trial = after_three_flights::<delays_by_carrier>();
        assert_eq!(trial.row("UA/2013-01"), january_of_united());
        let answer = trial.ask::<of_carrier>(&std::collections::BTreeMap::from([("carrier", "AA")])).unwrap();
        assert_eq!(answer.to_string(), format!(r#"[["2013-02",{{"delay_minutes":{LATE_MINUTES},"delayed":0,"departed":1}}]]"#));
    }

    #[test]
    fn a_subject_that_is_no_flight_is_set_aside() {
        let given = Given::json("flight.departed", r#"{"dep_delay":1}"#).about("UA/1");
        let error = Trial::<delays_by_month>::new().project(&given).unwrap_err();
        assert_eq!(error.message(), r#""UA/1" is not CARRIER/NUMBER/DATE"#);
    }
}
