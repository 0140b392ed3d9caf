//! Aggregates, as `#[aggregate]` makes them.

use retold::__private::wire::{self, FunctionKind};
use retold::__private::{Envelope, decide, evolve};
use retold::Function;
use retold::prelude::*;
use retold::testing::{Given, Trial, When};

#[derive(Command, Serialize, Deserialize)]
#[command("account.deposit")]
struct Deposit<'a> {
    cents: u64,
    note: &'a str,
}

#[derive(Command, Serialize, Deserialize)]
#[command("account.close")]
struct Close {
    reasons: Vec<Reason>,
}

#[derive(Serialize, Deserialize)]
struct Reason {
    text: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("account.deposited")]
struct Deposited {
    cents: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event("account.closed")]
struct Closed {}

#[derive(Event, Serialize)]
#[event("account.emptied")]
struct Emptied {
    cents: u64,
}

/// `words` is in the order in which they came: a state must not depend on it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct BankAccount {
    zeal: u64,
    cents: u64,
    closed: bool,
}

#[aggregate(fuel = 5_000)]
impl BankAccount {
    #[decide]
    fn deposit(&self, command: Received<Deposit>) -> Result<Emit<Deposited>, Rejection> {
        info!("{} gets {}: {}", command.subject(), command.cents, command.note);
        if self.closed {
            return Err(Rejection::new("closed", "the account is closed").with(&self.cents));
        }
        let deposited = Deposited { cents: command.cents }.key("deposit").tag("money");
        Ok(if command.note == "elsewhere" { deposited.about("account/other") } else { deposited })
    }

    #[decide]
    fn close(&self, command: Received<Close>) -> Result<(Option<Emptied>, Closed), Rejection> {
        let emptied = (self.cents > 0).then_some(Emptied { cents: self.cents });
        assert!(!command.reasons.is_empty(), "a reason, please");
        Ok((emptied, Closed {}))
    }

    #[evolve]
    fn deposited(&mut self, event: Recorded<Deposited>) -> Result<()> {
        self.cents = self.cents.checked_add(event.cents).ok_or_else(|| Error::reject("too rich"))?;
        Ok(())
    }

    #[evolve]
    fn closed(&mut self, _event: Recorded<Closed>) {
        self.closed = true;
    }
}

fn deposit(cents: u64) -> When {
    When::command(&Deposit { cents, note: "n" }).to("account/1")
}

fn event<'a>(event_type: &'a str, data: &'a str) -> Envelope<'a> {
    Envelope { position: 1, event_type, subject: "account/1", time: Timestamp::UNIX_EPOCH, data: data.into() }
}

#[test]
fn a_manifest_tells_what_an_aggregate_decides_evolves_and_emits() {
    let manifest = BankAccount::describe();
    assert_eq!(manifest.name, "bank-account");
    assert!(matches!(manifest.kind, FunctionKind::Aggregate));
    assert_eq!(manifest.decides, ["account.deposit", "account.close"]);
    assert_eq!(manifest.subscribes, ["account.deposited", "account.closed"]);
    assert_eq!(manifest.emits, ["account.closed", "account.deposited", "account.emptied"]);
    assert_eq!(manifest.limits.fuel, Some(5_000));
}

#[test]
fn commands_are_decided_by_what_has_happened() {
    let mut trial = Trial::<BankAccount>::new();
    trial.given(&Given::event(&Deposited { cents: 5 }).about("account/1")).unwrap();
    let events = trial.when(&deposit(7)).unwrap();
    assert_eq!((events[0].key.as_deref(), events[0].subject.as_str()), (Some("deposit"), "account/1"));
    assert_eq!(trial.log(), ["info: account/1 gets 7: n"]);
    let reasons = vec![Reason { text: "moved".to_owned() }];
    let events = trial.when(&When::command(&Close { reasons }).to("account/1")).unwrap();
    assert_eq!(events.iter().map(|it| it.event_type.as_str()).collect::<Vec<_>>(), ["account.emptied", "account.closed"]);
    assert_eq!(events[0].json(), r#"{"cents":12}"#);
    let rejection = trial.when(&deposit(1)).unwrap_err();
    assert_eq!((rejection.code(), rejection.message(), rejection.data()), ("closed", "the account is closed", &b"12"[..]));
}

#[test]
fn a_command_that_can_not_be_read_is_refused_with_the_path_to_what_is_wrong() {
    let close = When::json("account.close", r#"{"reasons":[{"text":"a"},{"text":7}]}"#).to("account/1");
    let rejection = Trial::<BankAccount>::new().when(&close).unwrap_err();
    assert_eq!(rejection.code(), "invalid-command");
    assert_eq!(
        rejection.message(),
        "account.close can't be read as Close: reasons[1].text: invalid type: integer `7`, expected a string at line 1 column 34"
    );
}

#[test]
fn an_aggregate_speaks_of_its_own_subject_only() {
    let elsewhere = When::command(&Deposit { cents: 1, note: "elsewhere" }).to("account/1");
    let rejection = Trial::<BankAccount>::new().when(&elsewhere).unwrap_err();
    assert_eq!(rejection.to_string(), r#"failed: account.deposited can't be about another subject than "account/1""#);
}

#[test]
fn a_batch_is_folded_in_its_order_into_state_with_sorted_keys() {
    let events = [event("account.deposited", r#"{"cents":1}"#), event("account.closed", "{}")];
    let state = evolve::<BankAccount>(Some(br#"{"zeal":3,"cents":4,"closed":false}"#), events.into_iter()).unwrap();
    assert_eq!(String::from_utf8(state).unwrap(), r#"{"cents":5,"closed":true,"zeal":3}"#);
}

#[test]
fn an_event_that_can_not_be_folded_is_a_failure_at_its_place_in_the_batch() {
    let events = [event("account.closed", "{}"), event("account.deposited", r#"{"cents":"many"}"#)];
    let failure = evolve::<BankAccount>(None, events.into_iter()).unwrap_err();
    assert_eq!(failure.event, 1);
    assert!(matches!(failure.kind, wire::FailureKind::Reject));
    assert!(failure.message.contains("account.deposited can't be read as Deposited"), "{}", failure.message);
}

#[test]
fn a_command_that_no_method_takes_is_refused() {
    let command =
        wire::Command { type_: "account.rob".to_owned(), subject: "account/1".to_owned(), content_type: None, data: Vec::new(), key: None };
    assert_eq!(decide::<BankAccount>(None, &command).unwrap_err().code, "unknown-command");
}

retold::module!(name = "bank", version = "1.0.0", BankAccount);
