//! Everything that a handler may return, and what the host gets of it.

use retold::prelude::*;
use retold::testing::{Given, Output, Trial};

#[derive(Event, Deserialize)]
#[event("order.placed")]
struct Placed {
    lines: Vec<u32>,
}

#[derive(Event, Serialize)]
#[event("line.picked")]
struct Picked {
    line: u32,
}

#[derive(Event, Serialize)]
#[event("order.empty")]
struct Empty {}

#[derive(Event)]
enum Either {
    Picked(Picked),
    Empty(Emit<Empty>),
}

fn given(lines: &str) -> Given {
    Given::json("order.placed", format!(r#"{{"lines":{lines}}}"#)).about("order/1")
}

fn outputs<H: retold::Handler>(lines: &str) -> Vec<Output> {
    Trial::<H>::new().give(&given(lines)).unwrap()
}

fn types(outputs: &[Output]) -> Vec<&str> {
    outputs.iter().map(|it| it.event_type.as_str()).collect()
}

#[handler]
fn nothing(_order: Recorded<Placed>) -> Result<()> {
    Ok(())
}

#[handler]
fn perhaps(order: Recorded<Placed>) -> Result<Option<Picked>> {
    Ok(order.lines.first().map(|&line| Picked { line }))
}

#[handler]
fn several(order: Recorded<Placed>) -> Result<Vec<Picked>> {
    Ok(order.lines.iter().map(|&line| Picked { line }).collect())
}

#[handler]
fn several_types(order: Recorded<Placed>) -> Result<(Vec<Picked>, Option<Empty>)> {
    let picked = order.lines.iter().map(|&line| Picked { line }).collect();
    Ok((picked, order.lines.is_empty().then_some(Empty {})))
}

#[handler]
fn one_or_the_other(order: Recorded<Placed>) -> Result<Either> {
    Ok(match order.lines.first() {
        Some(&line) => Either::Picked(Picked { line }),
        None => Either::Empty(Empty {}.tag("empty")),
    })
}

#[handler]
fn growing(order: Recorded<Placed>) -> Result<Outputs<(Picked, Empty)>> {
    let mut outputs = Outputs::new();
    for &line in &order.lines {
        outputs.emit(Picked { line })?;
        outputs.emit(Empty {}.about(format!("line/{line}")).key("left").tag("t"))?;
    }
    Ok(outputs)
}

#[test]
fn a_handler_emits_none_one_or_many_of_one_type_or_of_several() {
    assert_eq!(outputs::<nothing>("[1]"), []);
    assert_eq!(outputs::<perhaps>("[]"), []);
    assert_eq!(types(&outputs::<perhaps>("[1]")), ["line.picked"]);
    assert_eq!(types(&outputs::<several>("[1,2]")), ["line.picked"; 2]);
    assert_eq!(types(&outputs::<several_types>("[1,2]")), ["line.picked"; 2]);
    assert_eq!(types(&outputs::<several_types>("[]")), ["order.empty"]);
    assert_eq!(types(&outputs::<one_or_the_other>("[1]")), ["line.picked"]);
    assert_eq!(types(&outputs::<one_or_the_other>("[]")), ["order.empty"]);
}

#[test]
fn an_output_is_about_its_causes_subject_unless_it_says_another() {
    let outputs = outputs::<growing>("[7]");
    assert_eq!(types(&outputs), ["line.picked", "order.empty"]);
    assert_eq!(outputs[0].subject, "order/1");
    assert_eq!(outputs[0].json(), r#"{"line":7}"#);
    assert_eq!((&outputs[0].key, outputs[0].tags.len()), (&None, 0));
    assert_eq!(outputs[1].subject, "line/7");
    assert_eq!(outputs[1].key.as_deref(), Some("left"));
    assert_eq!(outputs[1].tags, ["t"]);
}

#[test]
fn a_handler_declares_what_it_may_emit_from_its_return_type() {
    #[track_caller]
    fn check<H: retold::Handler>(emits: &[&str]) {
        assert_eq!(H::describe().emits, emits, "{}", H::NAME);
    }
    check::<nothing>(&[]);
    check::<perhaps>(&["line.picked"]);
    check::<several_types>(&["line.picked", "order.empty"]);
    check::<one_or_the_other>(&["line.picked", "order.empty"]);
    check::<growing>(&["line.picked", "order.empty"]);
}

#[derive(Event, Serialize)]
#[event("order.counted")]
struct Counted {
    by_word: HashMap<String, u32>,
}

#[handler]
fn counting(order: Recorded<Placed>) -> Result<Counted> {
    let by_word = order.lines.iter().map(|line| (format!("w{line}"), *line));
    Ok(Counted { by_word: by_word.collect() })
}

#[test]
fn a_map_is_emitted_sorted_whatever_the_order_it_was_filled_in() {
    let sorted = r#"{"by_word":{"w1":1,"w2":2,"w3":3,"w4":4}}"#;
    assert_eq!(outputs::<counting>("[1,2,3,4]")[0].json(), sorted);
    assert_eq!(outputs::<counting>("[3,1,4,2]")[0].json(), sorted);
}
