//! `counter`: counts the events of each subject, and can be told to fail after it counted one.

use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("test.count")]
pub struct Count {
    /// What follows when the new count is in the state already; nothing may be left of it.
    then: Option<Then>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    Trap,
    Retry,
    Reject,
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event("test.counted")]
pub struct Counted {
    /// Events of this subject so far.
    pub n: u64,
}

#[handler(start = "beginning")]
pub fn counter(event: Recorded<Count>, counts: &mut State<u64>) -> Result<Counted> {
    let n = counts.get(event.subject())?.unwrap_or(0) + 1;
    counts.put(event.subject(), &n)?;
    match event.then {
        None => Ok(Counted { n }),
        Some(Then::Trap) => panic!("told to trap after counting {n}"),
        Some(Then::Retry) => Err(Error::retry("told to retry after counting")),
        Some(Then::Reject) => Err(Error::reject("told to reject after counting")),
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use super::*;

    #[test]
    fn each_subject_has_its_own_count_and_a_failure_leaves_nothing() {
        let mut trial = Trial::<counter>::new();
        let mut counted = |subject: &str, data: &str| {
            let given = Given::json("test.count", data).about(subject);
            trial.give(&given).map(|outputs| outputs[0].read::<Counted>().n)
        };
        assert_eq!(counted("a", "{}"), Ok(1));
        assert_eq!(counted("a", "{}"), Ok(2));
        assert_eq!(counted("b", "{}"), Ok(1));
        assert!(counted("a", r#"{"then":"reject"}"#).is_err());
        assert_eq!(counted("a", "{}"), Ok(3));
    }
}
