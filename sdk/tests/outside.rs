//! What a handler answers beside events: commands, timers, requests. What comes back to it.

use std::time::Duration;

use retold::__private::wire::Missed;
use retold::Function;
use retold::prelude::*;
use retold::testing::{Given, Trial};

#[derive(Event, Deserialize)]
#[event("order.placed")]
struct Placed {
    item: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.confirmed")]
struct Confirmed {}

#[derive(Event, Serialize)]
#[event("order.given-up")]
struct GivenUp {
    why: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.overdue")]
struct Overdue {
    reminders: u32,
}

#[derive(Command, Serialize)]
#[command("stock.reserve")]
struct Reserve {
    item: String,
}

#[derive(Event)]
enum Read {
    Placed(Placed),
    Confirmed(Confirmed),
    Overdue(Overdue),
    Replied(Reply),
    Failed(Failed),
    Refused(Refused),
}

#[derive(Deserialize)]
struct Left {
    left: u32,
}

type Answers = Outputs<(GivenUp, Sent<Reserve>, Timer<Overdue>, Request)>;

const DAY: Duration = Duration::from_secs(86_400);

/// A process manager over all that may come back to it.
#[handler(hosts("*.example.com"), secrets("token"))]
fn ordering(event: Recorded<Read>, orders: &mut State<u32>) -> Result<Answers> {
    let mut outputs = Outputs::new();
    let order = event.subject();
    match &*event {
        Read::Placed(placed) => {
            orders.put(order, &0)?;
            outputs.send(Reserve { item: placed.item.clone() }.to(format!("stock/{}", placed.item)).key("first"))?;
            outputs.schedule(Timer::after(DAY, order, Overdue { reminders: 0 }))?;
            let request = Request::put("https://mail.example.com/order").json(&placed.item).header("x-order", order);
            outputs.request(request.secret_header("authorization", "Bearer {{secret:token}}").key("mail"));
        }
        Read::Confirmed(_) => outputs.cancel(order),
        Read::Overdue(Overdue { reminders: 2 }) => outputs.emit(GivenUp { why: "nobody confirmed".to_owned() })?,
        Read::Overdue(Overdue { reminders }) => {
            outputs.schedule(Timer::after(DAY * 2, order, Overdue { reminders: reminders + 1 }))?;
        }
        Read::Replied(reply) if reply.is_success() => orders.put(order, &reply.json()?)?,
        Read::Replied(reply) => outputs.emit(GivenUp { why: format!("{} said {}", reply.request.key(), reply.status) })?,
        Read::Failed(failed) => outputs.emit(GivenUp { why: failed.reason.clone() })?,
        Read::Refused(refused) => {
            let Left { left } = refused.data()?;
            outputs.emit(GivenUp { why: format!("{} left: {}", left, refused.code) })?;
        }
    }
    Ok(outputs)
}

fn placed() -> Trial<ordering> {
    let mut trial = Trial::new();
    let placed = Given::json("order.placed", r#"{"item":"apple"}"#).about("order/1").at("2026-01-01T12:00:00Z");
    assert_eq!(trial.give(&placed).unwrap(), []);
    trial
}

fn why(outputs: &[retold::testing::Output]) -> Vec<Json> {
    outputs.iter().map(|output| output.read::<Json>()["why"].clone()).collect()
}

#[test]
fn a_manifest_tells_what_a_handler_sends_sets_and_asks() {
    let manifest = ordering::describe();
    assert_eq!(manifest.emits, ["order.given-up"]);
    assert_eq!(manifest.sends, ["stock.reserve"]);
    assert!(manifest.timers);
    assert_eq!((manifest.hosts, manifest.secrets), (vec!["*.example.com".to_owned()], vec!["token".to_owned()]));
    let answers = ["retold.request.replied", "retold.request.failed", "retold.command.refused"];
    assert_eq!(manifest.subscribes[..3], ["order.placed", "order.confirmed", "order.overdue"]);
    assert_eq!(manifest.subscribes[3..], answers);
    let plain = evening::describe();
    assert_eq!((plain.timers, plain.sends.len(), plain.hosts.len(), plain.secrets.len()), (false, 0, 0, 0));
}

#[test]
fn a_command_has_an_addressee_and_a_request_says_what_it_was_told() {
    let mut trial = placed();
    let commands = trial.commands();
    assert_eq!((commands[0].command_type.as_str(), commands[0].subject.as_str()), ("stock.reserve", "stock/apple"));
    assert_eq!((commands[0].key.as_deref(), commands[0].json()), (Some("first"), r#"{"item":"apple"}"#));
    assert_eq!(trial.commands(), []);
    let request = trial.request("mail");
    assert_eq!((request.method.as_str(), request.url.as_str(), request.json()), ("PUT", "https://mail.example.com/order", r#""apple""#));
    assert_eq!(request.subject, "order/1");
    let header = |name: &str| request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("x-order"), Some("order/1"));
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("authorization"), Some("Bearer {{secret:token}}"));
}

#[test]
fn timers_come_when_they_are_due_in_their_order_also_those_that_others_set() {
    let mut trial = placed();
    assert_eq!(trial.timers()[0].due.to_string(), "2026-01-02T12:00:00Z");
    assert_eq!(trial.advance(DAY - Duration::from_micros(1)).unwrap(), []);
    assert_eq!(trial.timers()[0].json(), r#"{"reminders":0}"#);
    assert_eq!(trial.advance(Duration::from_micros(1)).unwrap(), []);
    assert_eq!(trial.timers()[0].due.to_string(), "2026-01-04T12:00:00Z");
    // Long late: both come, each from its own due time on.
    let outputs = trial.advance(DAY * 30).unwrap();
    assert_eq!(why(&outputs), ["nobody confirmed"]);
    assert_eq!(outputs[0].subject, "order/1");
    assert_eq!(trial.timers(), []);
}

#[test]
fn the_timer_that_is_due_first_comes_first() {
    let mut trial = placed();
    let earlier = Given::json("order.placed", r#"{"item":"apple"}"#).about("order/2").at("2026-01-01T11:00:00Z");
    trial.give(&earlier).unwrap();
    let outputs = trial.advance(DAY * 30).unwrap();
    assert_eq!(outputs.iter().map(|output| output.subject.as_str()).collect::<Vec<_>>(), ["order/2", "order/1"]);
}

#[test]
fn a_timer_of_the_same_key_replaces_and_a_cancelled_one_never_comes() {
    let mut trial = placed();
    trial.give(&Given::json("order.placed", r#"{"item":"pear"}"#).about("order/1").at("2026-01-01T18:00:00Z")).unwrap();
    assert_eq!(trial.timers().len(), 1);
    assert_eq!(trial.timers()[0].due.to_string(), "2026-01-02T18:00:00Z");
    trial.give(&Given::json("order.confirmed", "{}").about("order/1")).unwrap();
    assert_eq!(trial.advance(DAY * 9).unwrap(), []);
    assert_eq!(trial.timers(), []);
}

#[test]
fn a_reply_a_failure_and_a_refusal_come_back_as_events() {
    let mut trial = placed();
    trial.reply(&trial.request("mail"), 200, "7").unwrap();
    assert_eq!(trial.state::<u32>().get("order/1"), Ok(Some(7)));
    assert_eq!(trial.requests(), []);
    let mut trial = placed();
    assert_eq!(why(&trial.reply(&trial.request("mail"), 404, "").unwrap()), ["mail said 404"]);
    let mut trial = placed();
    assert_eq!(why(&trial.fail(&trial.request("mail"), "timeout").unwrap()), ["timeout"]);
    let command = trial.commands().remove(0);
    let rejection = Rejection::new("out-of-stock", "none").with(&Json::from_iter([("left", 3)]));
    let outputs = trial.refuse(&command, &rejection).unwrap();
    assert_eq!((why(&outputs), outputs[0].subject.as_str()), (vec![Json::from("3 left: out-of-stock")], "stock/apple"));
}

#[test]
fn a_reply_that_cannot_be_read_is_told_by_its_request() {
    let mut trial = placed();
    let error = trial.reply(&trial.request("mail"), 200, "{}").unwrap_err();
    assert!(error.message().starts_with("the reply to PUT https://mail.example.com/order can't be read as u32"), "{error}");
}

#[test]
#[should_panic(expected = "is answered already")]
fn a_request_is_answered_once() {
    let mut trial = placed();
    let request = trial.request("mail");
    trial.reply(&request, 200, "7").unwrap();
    let _ = trial.reply(&request, 200, "7");
}

#[handler(hosts("api.example.com"), secrets("token"))]
fn asking(order: Recorded<Placed>) -> Result<Request> {
    let Placed { item } = order.into_data();
    Ok(match item.as_str() {
        "host" => Request::get("https://example.com/"),
        "secret" => Request::get("https://api.example.com/").secret_header("x", "{{secret:other}}"),
        _ => Request::get("https://api.example.com/").header("x-item", item),
    })
}

#[track_caller]
fn ask(item: &str) -> Result<Vec<retold::testing::Output>> {
    let placed = Json::from_iter([("item", item)]);
    Trial::<asking>::new().give(&Given::json("order.placed", placed.to_string()))
}

#[test]
#[should_panic(expected = "asking may ask api.example.com, not \"example.com\"")]
fn a_host_that_is_not_declared_fails_the_test() {
    let _ = ask("host");
}

#[test]
#[should_panic(expected = "asking has no secret \"other\"")]
fn a_secret_that_is_not_declared_fails_the_test() {
    let _ = ask("secret");
}

#[test]
fn an_event_cannot_ask_for_a_secret() {
    let error = ask("hello {{secret:token}}").unwrap_err();
    assert!(error.message().contains("only `secret_header` may"), "{error}");
}

#[handler]
fn too_late(order: Recorded<Placed>) -> Result<(Timer<Placed2>, Cancel)> {
    let (due, days) = (Timestamp::from_micros(7), order.item.parse()?);
    let timer = if days == 0 { Timer::at(due, "k", Placed2 {}).about("other") } else { Timer::after(DAY * days, "k", Placed2 {}) };
    Ok((timer, Cancel::timer("old")))
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed")]
struct Placed2 {}

#[test]
fn a_timer_is_due_at_a_time_that_can_be_written() {
    let given = |days: u32| Given::json("order.placed", format!(r#"{{"item":"{days}"}}"#)).about("order/1").at("2026-01-01T00:00:00Z");
    let mut trial = Trial::<too_late>::new();
    let error = trial.give(&given(4_000_000)).unwrap_err();
    assert_eq!(error.message(), r#"the timer "k" is due beyond the year 9999"#);
    trial.give(&given(0)).unwrap();
    let timer = &trial.timers()[0];
    assert_eq!((timer.due.as_micros(), timer.subject.as_str()), (7, "other"));
    assert!(too_late::describe().timers);
}

#[derive(Event, Deserialize)]
#[event("evening.came")]
struct EveningCame {}

#[handler(
    schedule(key = "evening", cron = "0 18 * * *", time_zone = "Europe/Berlin", event = EveningCame, missed = "latest"),
    schedule(key = "hourly", cron = "0 * * * *", event = EveningCame)
)]
fn evening(event: Recorded<EveningCame>) -> Result<Confirmed> {
    let _ = event.time();
    Ok(Confirmed {})
}

#[test]
fn schedules_stand_in_the_manifest() {
    let schedules = evening::describe().schedules;
    let first = &schedules[0];
    assert_eq!((first.key.as_str(), first.cron.as_str(), first.time_zone.as_str()), ("evening", "0 18 * * *", "Europe/Berlin"));
    assert_eq!(first.type_, "evening.came");
    assert!(matches!(first.missed, Missed::Latest));
    let second = &schedules[1];
    assert_eq!((second.key.as_str(), second.time_zone.as_str()), ("hourly", "UTC"));
    assert!(matches!(second.missed, Missed::All));
}

#[handler]
fn one_or_other(order: Recorded<Placed>) -> Result<OneOrOther> {
    Ok(match order.item.as_str() {
        "command" => OneOrOther::Command(Reserve { item: "x".to_owned() }.to("stock/x")),
        _ => OneOrOther::Event(Confirmed {}),
    })
}

#[derive(Event)]
enum OneOrOther {
    Command(Sent<Reserve>),
    Event(Confirmed),
}

#[test]
fn an_enum_may_hold_events_and_commands() {
    let manifest = one_or_other::describe();
    assert_eq!((manifest.emits, manifest.sends), (vec!["order.confirmed".to_owned()], vec!["stock.reserve".to_owned()]));
    let mut trial = Trial::<one_or_other>::new();
    assert_eq!(trial.give(&Given::json("order.placed", r#"{"item":"command"}"#)).unwrap(), []);
    assert_eq!(trial.commands().len(), 1);
}

#[handler]
fn timed(order: Recorded<Placed>) -> Result<Emit<Confirmed>> {
    Ok(Confirmed {}.at(order.time()))
}

#[test]
fn a_handlers_event_has_no_time_of_its_own() {
    let error = Trial::<timed>::new().give(&Given::json("order.placed", r#"{"item":"x"}"#)).unwrap_err();
    assert_eq!(error.message(), "order.confirmed can't have a time of its own: it happened when its cause did");
}

retold::module!(name = "ordering", version = "1.0.0", ordering, asking, too_late, evening, one_or_other);
