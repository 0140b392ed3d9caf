//! `Serialize` and `Deserialize` of the prelude do what serde's own do, without serde among the
//! dependencies.

use retold::Input;
use retold::prelude::*;
use retold::testing::{Given, Trial};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(transparent)]
struct Cents(u64);

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(tag = "by", rename_all = "snake_case")]
enum Payment {
    Card { last_digits: String },
    Invoice,
}

#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event("order.paid")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Paid<'a, N> {
    #[serde(rename = "no")]
    number: N,
    total_price: Cents,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    payment: Payment,
    #[serde(default = "one")]
    parcels: u8,
}

fn one() -> u8 {
    1
}

#[test]
fn attributes_of_serde_work() {
    let text = r#"{"no":7,"totalPrice":250,"note":"soon","payment":{"by":"card","last_digits":"42"}}"#;
    let read = Paid::<u32>::decode("order.paid", text.into()).unwrap();
    let expected = Paid {
        number: 7,
        total_price: Cents(250),
        note: Some("soon"),
        payment: Payment::Card { last_digits: "42".to_owned() },
        parcels: 1,
    };
    assert_eq!(read, expected);
    let unknown = r#"{"no":7,"totalPrice":250,"payment":{"by":"invoice"},"colour":1}"#;
    let error = Paid::<u32>::decode("order.paid", unknown.into()).unwrap_err();
    assert!(error.message().contains("unknown field `colour`"), "{error}");
}

#[handler]
fn paid(order: Recorded<Paid<u32>>) -> Result<Paid<'static, String>> {
    Ok(Paid {
        number: order.number.to_string(),
        total_price: order.total_price,
        note: None,
        payment: Payment::Invoice,
        parcels: order.parcels,
    })
}

#[test]
fn what_is_written_is_what_serde_would_write() {
    let given = Given::json("order.paid", r#"{"no":7,"totalPrice":250,"payment":{"by":"invoice"}}"#);
    let outputs = Trial::<paid>::new().give(&given).unwrap();
    assert_eq!(outputs[0].json(), r#"{"no":"7","totalPrice":250,"payment":{"by":"invoice"},"parcels":1}"#);
}
