//! The check of whether the customer stands on the list of sanctions.

use retold::prelude::*;

use crate::check::Check;

#[derive(Deserialize)]
struct Answer {
    listed: bool,
}

pub const CHECK: Check = Check {
    name: "sanctions",
    // A rule that begins on a day names the day: who registered before it is not asked for it, neither by
    // this version nor when history is read again.
    since: Timestamp::from_micros(1_782_864_000_000_000), // 2026-07-01T00:00:00Z
    body: |customer| Json::from_iter([("name", customer.name.as_str())]),
    finding: |reply| {
        let Answer { listed } = reply.json()?;
        Ok(listed.then_some("the name is on the list of sanctions"))
    },
};

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Trial};

    use crate::process::onboarding;

    fn asked(time: &str) -> Trial<onboarding> {
        let mut trial = Trial::new();
        let registered = Given::json("customer.registered", r#"{"name":"Mallory","street":"1 Lane","city":"London","account":1001}"#);
        trial.give(&registered.about("customer/7").at(time)).unwrap();
        trial
    }

    #[test]
    fn who_registers_from_july_on_is_looked_up() {
        assert_eq!(asked("2026-06-30T23:59:59Z").requests().len(), 2);
        let mut trial = asked("2026-07-01T00:00:00Z");
        let outputs = trial.reply(&trial.request("sanctions"), 200, r#"{"listed":true}"#).unwrap();
        assert_eq!(outputs[0].json(), r#"{"reason":"the name is on the list of sanctions"}"#);
    }
}
