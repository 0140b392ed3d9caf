//! JSON Schemas that the manifest carries.

use retold::__private::Types;
use retold::Function;
use retold::prelude::*;

/// What was asked for.
#[derive(Event, Deserialize, JsonSchema)]
#[event("order.placed", schema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Placed<'a> {
    /// Each with its own quantity.
    order_lines: Vec<Line>,
    #[serde(borrow, default)]
    note: Option<&'a str>,
    due: Timestamp,
    counts: HashMap<String, u8>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Line {
    sku: String,
    #[schemars(range(min = 1))]
    quantity: u32,
}

#[derive(Event, Serialize)]
#[event("order.priced")]
struct Priced {}

#[derive(Event, Serialize, JsonSchema)]
#[event("line.priced", schema)]
struct LinePriced<T> {
    of: T,
}

#[handler]
fn pricing(order: Recorded<Placed>) -> Result<(Priced, Vec<LinePriced<Line>>)> {
    let placed = order.into_data();
    info!("{:?} due {}, {} counts", placed.note, placed.due, placed.counts.len());
    Ok((Priced {}, placed.order_lines.into_iter().map(|of| LinePriced { of }).collect()))
}

fn schemas() -> Vec<(String, Json)> {
    let mut types = Types::default();
    pricing::declare(&mut types);
    types.schemas().into_iter().map(|schema| (schema.type_, schema.json.parse().unwrap())).collect()
}

#[test]
fn only_types_that_ask_for_it_bring_their_schema() {
    let types: Vec<_> = schemas().into_iter().map(|(of, _)| of).collect();
    assert_eq!(types, ["line.priced", "order.placed"]);
}

#[test]
fn a_schema_is_that_of_2020_and_holds_all_that_it_refers_to() {
    let (_, placed) = &schemas()[1];
    assert_eq!(placed["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(placed["title"], "Placed");
    assert_eq!(placed["description"], "What was asked for.");
    assert_eq!(placed["properties"]["orderLines"]["items"]["$ref"], "#/$defs/Line");
    assert_eq!(placed["properties"]["orderLines"]["description"], "Each with its own quantity.");
    assert_eq!(placed["$defs"]["Line"]["properties"]["quantity"]["minimum"], 1);
    assert_eq!(placed["required"].to_string(), r#"["orderLines","due","counts"]"#);
    assert_eq!(placed["additionalProperties"], false);
    assert_eq!(placed["properties"]["due"]["format"], "date-time");
}
