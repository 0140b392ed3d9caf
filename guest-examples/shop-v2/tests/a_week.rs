//! The week of the tutorial, priced by both versions. Version 1 rounds each cherry down to a cent, and it
//! is to stay so: that is what the tutorial finds.

use retold::Json;
use retold::testing::{Given, Trial};

/// Order, total of version 1 and of version 2, in cents.
const PRICED: &[(&str, u64, u64)] = &[
    ("order/101", 200, 200),
    ("order/102", 560, 560),
    ("order/103", 120, 125),
    ("order/104", 700, 700),
    ("order/105", 420, 420),
    ("order/106", 500, 500),
    ("order/107", 120, 120),
    ("order/108", 184, 188),
    ("order/109", 350, 350),
    ("order/110", 390, 390),
];

#[test]
fn two_orders_of_the_week_have_other_totals_and_nothing_else_is_different() {
    let week = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../shop/a-week.ndjson")).unwrap();
    let mut priced = Vec::new();
    for line in week.lines() {
        let cart = given(line);
        let [old] = &Trial::<shop::pricing::pricing>::new().give(&cart).unwrap()[..] else { panic!("one order a cart") };
        let [new] = &Trial::<shop_v2::pricing::pricing>::new().give(&cart).unwrap()[..] else { panic!("one order a cart") };
        let total = |data: &Json| data["total"]["minor"].as_u64().unwrap();
        let (before, mut after): (Json, Json) = (old.read(), new.read());
        priced.push((old.subject.clone(), total(&before), total(&after)));
        after["total"] = before["total"].clone();
        assert_eq!((&before, &old.event_type, &old.subject), (&after, &new.event_type, &new.subject));
    }
    let expected: Vec<_> = PRICED.iter().map(|&(order, old, new)| (order.to_owned(), old, new)).collect();
    assert_eq!(priced, expected);
}

fn given(line: &str) -> Given {
    let event: Json = line.parse().unwrap();
    let text = |name: &str| event[name].as_str().unwrap();
    Given::json(text("type"), event["data"].to_string()).about(text("subject")).at(text("time"))
}
