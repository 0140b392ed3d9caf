//! The check of whether the address is one.

use retold::prelude::*;

use crate::check::Check;

#[derive(Deserialize)]
struct Answer {
    known: bool,
}

pub const CHECK: Check = Check {
    name: "address",
    since: Timestamp::UNIX_EPOCH,
    body: |customer| Json::from_iter([("street", customer.street.as_str()), ("city", customer.city.as_str())]),
    finding: |reply| {
        let Answer { known } = reply.json()?;
        Ok((!known).then_some("the address is unknown"))
    },
};
