//! `daily-report`: counts orders, and tells the count when evening comes.

use retold::prelude::*;

use crate::money::Money;
use crate::order::OrderPlaced;

/// Recorded by the host when the schedule says so; its time is the time that it was due.
#[derive(Event, Deserialize)]
#[event("shop.evening-came")]
pub struct EveningCame {}

/// About the shop. A day ends when evening comes, and what is ordered later is the next day's.
#[derive(Event, Default, Serialize, Deserialize)]
#[event("shop.day-reported")]
pub struct DayReported {
    pub orders: u32,
    pub total: Money,
}

#[derive(Event)]
pub enum Read {
    Placed(OrderPlaced),
    EveningCame(EveningCame),
}

/// The row that the day's sum stands in.
const TODAY: &str = "today";

#[handler(schedule(key = "evening", cron = "0 18 * * *", time_zone = "Europe/Berlin", event = EveningCame, missed = "all"))]
pub fn daily_report(event: Recorded<Read>, days: &mut State<DayReported>) -> Result<Option<Emit<DayReported>>> {
    let mut day = days.get(TODAY)?.unwrap_or_default();
    match &*event {
        Read::Placed(order) => {
            day.orders += 1;
            day.total = day.total + order.total;
            days.put(TODAY, &day)?;
            Ok(None)
        }
        Read::EveningCame(_) => {
            days.delete(TODAY);
            Ok(Some(day.about("shop")))
        }
    }
}

#[cfg(test)]
mod tests {
    use retold::Function;
    use retold::testing::{Given, Output, Trial};

    use super::*;

    fn placed(cents: u64, time: &str) -> Given {
        let order = OrderPlaced { total: Money::cents(cents), ..OrderPlaced::default() };
        Given::event(&order).about("order/1").at(time)
    }

    /// As the host records it: six in the evening in Berlin is four in summer.
    fn evening(trial: &mut Trial<daily_report>, time: &str) -> Vec<Output> {
        trial.give(&Given::json("shop.evening-came", "{}").about("evening").at(time)).unwrap()
    }

    #[test]
    fn a_day_goes_from_evening_to_evening() {
        let mut trial = Trial::<daily_report>::new();
        trial.give(&placed(450, "2026-06-01T09:00:00Z")).unwrap();
        trial.give(&placed(50, "2026-06-01T15:59:00Z")).unwrap();
        let outputs = evening(&mut trial, "2026-06-01T16:00:00Z");
        assert_eq!((outputs[0].event_type.as_str(), outputs[0].subject.as_str()), ("shop.day-reported", "shop"));
        assert_eq!(outputs[0].json(), r#"{"orders":2,"total":{"minor":500,"currency":"EUR"}}"#);
        trial.give(&placed(7, "2026-06-01T16:01:00Z")).unwrap();
        let outputs = evening(&mut trial, "2026-06-02T16:00:00Z");
        assert_eq!(outputs[0].json(), r#"{"orders":1,"total":{"minor":7,"currency":"EUR"}}"#);
    }

    #[test]
    fn a_day_without_orders_is_reported_too() {
        let outputs = evening(&mut Trial::new(), "2026-01-01T17:00:00Z");
        assert_eq!(outputs[0].json(), r#"{"orders":0,"total":{"minor":0,"currency":"EUR"}}"#);
    }

    #[test]
    fn the_schedule_stands_in_the_manifest() {
        let schedules = daily_report::describe().schedules;
        assert_eq!(schedules.len(), 1);
        assert_eq!((schedules[0].cron.as_str(), schedules[0].time_zone.as_str()), ("0 18 * * *", "Europe/Berlin"));
        assert_eq!(schedules[0].type_, "shop.evening-came");
    }
}
