use retold::testing::{Given, Output, Trial};

use super::*;

const ADA: &str = "customer/7";

fn registered() -> Trial<onboarding> {
    let mut trial = Trial::new();
    let ada = CustomerRegistered { name: "Ada".to_owned(), street: "1 Lane".to_owned(), city: "London".to_owned(), account: 1001 };
    let outputs = trial.give(&Given::event(&ada).about(ADA).at("2026-06-01T12:00:00Z")).unwrap();
    assert_eq!(outputs, []);
    trial
}

fn passed(trial: &mut Trial<onboarding>, check: &str) -> Vec<Output> {
    let body = if check == "credit" { r#"{"score":71}"# } else { r#"{"known":true}"# };
    trial.reply(&trial.request(check), 200, body).unwrap()
}

fn reserved(trial: &mut Trial<onboarding>, number: u32) -> Vec<Output> {
    let reserved = AccountReserved { customer: ADA.to_owned() };
    trial.give(&Given::event(&reserved).about(format!("account/{number}"))).unwrap()
}

fn taken(trial: &mut Trial<onboarding>) -> Vec<Output> {
    let command = trial.commands().pop().expect("a number was asked for");
    trial.refuse(&command, &Rejection::new("taken", "").with(&AskedBy { customer: ADA.to_owned() })).unwrap()
}

/// Type and addressee of what was sent since.
fn sent(trial: &mut Trial<onboarding>) -> Vec<(String, String)> {
    trial.commands().into_iter().map(|command| (command.command_type, command.subject)).collect()
}

#[track_caller]
fn check_refused(outputs: &[Output], reason: &str) {
    let told: Vec<_> = outputs.iter().map(|output| (output.event_type.as_str(), output.subject.as_str(), output.json())).collect();
    assert_eq!(told, [("customer.refused", ADA, format!(r#"{{"reason":"{reason}"}}"#).as_str())]);
}

#[track_caller]
fn check_over(trial: &mut Trial<onboarding>) {
    assert_eq!(trial.state::<Process>().get(ADA), Ok(None));
    assert_eq!(trial.timers(), []);
}

#[test]
fn everything_is_asked_at_once() {
    let mut trial = registered();
    let urls: Vec<_> = trial.requests().into_iter().map(|request| request.url).collect();
    assert_eq!(urls, ["http://127.0.0.1:17171/credit", "http://127.0.0.1:17171/address"]);
    assert_eq!(trial.request("credit").json(), r#"{"name":"Ada"}"#);
    assert_eq!(trial.request("address").json(), r#"{"city":"London","street":"1 Lane"}"#);
    assert_eq!(sent(&mut trial), [("account.reserve".to_owned(), "account/1001".to_owned())]);
    assert_eq!(trial.timers()[0].due.to_string(), "2026-06-01T12:10:00Z");
}

#[test]
fn a_customer_is_created_when_all_is_there_in_whatever_order_it_comes() {
    type Step = fn(&mut Trial<onboarding>) -> Vec<Output>;
    let steps: [Step; 3] = [|trial| passed(trial, "credit"), |trial| passed(trial, "address"), |trial| reserved(trial, 1001)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut trial = registered();
        assert_eq!(steps[order[0]](&mut trial), []);
        assert_eq!(steps[order[1]](&mut trial), []);
        let outputs = steps[order[2]](&mut trial);
        assert_eq!(outputs.len(), 1);
        assert_eq!((outputs[0].event_type.as_str(), outputs[0].subject.as_str()), ("customer.created", ADA));
        assert_eq!(outputs[0].json(), r#"{"account":1001}"#);
        check_over(&mut trial);
    }
}

#[test]
fn one_finding_refuses_and_the_number_is_released() {
    let mut trial = registered();
    reserved(&mut trial, 1001);
    trial.commands();
    let outputs = trial.reply(&trial.request("credit"), 200, r#"{"score":49}"#).unwrap();
    check_refused(&outputs, "the credit score is too low");
    assert_eq!(sent(&mut trial), [("account.release".to_owned(), "account/1001".to_owned())]);
    check_over(&mut trial);
    // The other check answers all the same.
    assert_eq!(passed(&mut trial, "address"), []);
}

#[test]
fn a_number_that_is_reserved_after_the_refusal_is_released_then() {
    let mut trial = registered();
    let outputs = trial.reply(&trial.request("address"), 200, r#"{"known":false}"#).unwrap();
    check_refused(&outputs, "the address is unknown");
    trial.commands();
    assert_eq!(reserved(&mut trial, 1001), []);
    assert_eq!(sent(&mut trial), [("account.release".to_owned(), "account/1001".to_owned())]);
    check_over(&mut trial);
}

#[test]
fn a_number_that_is_taken_after_the_refusal_leaves_nothing_to_release() {
    let mut trial = registered();
    trial.fail(&trial.request("credit"), "timeout").unwrap();
    assert_eq!(taken(&mut trial), []);
    assert_eq!(sent(&mut trial), []);
    check_over(&mut trial);
}

#[test]
fn a_check_that_cannot_be_made_refuses() {
    let mut trial = registered();
    let outputs = trial.fail(&trial.request("credit"), "timeout").unwrap();
    check_refused(&outputs, "the credit check could not be made");
    let mut trial = registered();
    let outputs = trial.reply(&trial.request("address"), 404, "").unwrap();
    check_refused(&outputs, "the address check could not be made");
}

#[test]
fn the_time_limit_refuses_and_only_while_nothing_is_decided() {
    let mut trial = registered();
    passed(&mut trial, "credit");
    assert_eq!(trial.advance(TIME_LIMIT - Duration::from_micros(1)).unwrap(), []);
    check_refused(&trial.advance(Duration::from_micros(1)).unwrap(), "it took too long");
    assert_eq!(passed(&mut trial, "address"), []);
    assert_eq!(trial.advance(TIME_LIMIT * 9).unwrap(), []);
}

#[test]
fn the_next_number_is_asked_for_three_times_in_all() {
    let mut trial = registered();
    assert_eq!(taken(&mut trial), []);
    assert_eq!(taken(&mut trial), []);
    check_refused(&taken(&mut trial), "no account number is free");
    assert_eq!(sent(&mut trial), []);
    check_over(&mut trial);
    let mut trial = registered();
    taken(&mut trial);
    passed(&mut trial, "credit");
    passed(&mut trial, "address");
    assert_eq!(reserved(&mut trial, 1002)[0].json(), r#"{"account":1002}"#);
}

#[test]
fn who_registers_twice_has_one_process() {
    let mut trial = registered();
    let again = CustomerRegistered { name: "Ada".to_owned(), street: String::new(), city: String::new(), account: 9 };
    assert_eq!(trial.give(&Given::event(&again).about(ADA)).unwrap(), []);
    assert_eq!(trial.requests().len(), 2);
    assert_eq!(trial.log(), ["warn: customer/7 has registered twice"]);
}
