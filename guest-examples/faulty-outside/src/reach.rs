//! `reach-out`: asks the outside for what the event says, past the SDK's checks.

use retold::__private::{Output, Unchecked, wire};
use retold::Input;
use retold::prelude::*;

/// What `test.reach` can ask for in `do`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A timer `key` (`k`) that makes `test.came`, due at `due` µs since 1970 (0: long ago).
    Timer,
    /// Due in the year 10,000.
    TimerBeyondYear9999,
    /// `count` (10,000) timers with keys of their own, due one after another from `due` on.
    TimerFlood,
    /// One that makes an event that the handler doesn't read.
    TimerOfAnotherType,
    /// One that makes an event of the host's own type.
    TimerOfTheHostsType,
    TimerWithoutKey,
    TimerWithALongKey,
    /// Two outputs of one key.
    TimerTwice,
    /// Cancels the timer `key`, whether there is one or not.
    Cancel,
    /// A `method` (GET) request to `url`, with `headers`, `body` and `key`; the hosts `127.0.0.1`,
    /// `localhost` and `*.test` are declared.
    Request,
    UndeclaredHost,
    /// With a `Host` header of its own.
    OwnHostHeader,
    /// With an `Idempotency-Key` of its own.
    OwnIdempotencyKey,
    /// With a line break in a header.
    HeaderInjection,
    /// With a secret that isn't declared.
    UndeclaredSecret,
    /// `count` (10,000) requests to `url`.
    RequestFlood,
    /// A command of a type that isn't declared.
    UndeclaredCommand,
    /// A command without an addressee.
    CommandWithoutSubject,
    /// A command that no aggregate decides.
    CommandToNobody,
}

#[derive(Event, Deserialize)]
#[event("test.reach")]
pub struct Reach {
    #[serde(rename = "do")]
    what: What,
    #[serde(default)]
    due: u64,
    key: Option<String>,
    count: Option<u64>,
    url: Option<String>,
    method: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

/// What the timers make.
#[derive(Event, Serialize, Deserialize)]
#[event("test.came")]
pub struct Came {}

/// Tells what came back, of which type and when.
#[derive(Event, Serialize)]
#[event("test.told")]
pub struct Told {
    of: String,
    time: Timestamp,
    data: Json,
}

#[derive(Command, Serialize)]
#[command("test.to-nobody")]
pub struct ToNobody {}

/// The year 10,000, in microseconds.
const YEAR_10000: u64 = 253_402_300_800_000_000;

/// The types beside `Unchecked` declare what may come.
type Reached = (Option<Told>, Option<Timer<Came>>, Option<Sent<ToNobody>>, Unchecked);

#[handler(
    start = "beginning",
    subscribes("test.reach", "test.came", "retold.request.replied", "retold.request.failed", "retold.command.refused"),
    hosts("127.0.0.1", "localhost", "*.test"),
    secrets("declared")
)]
pub fn reach_out(event: Recorded<&[u8]>) -> Result<Reached> {
    if event.event_type() != Reach::TYPE {
        let data = Json::decode(event.event_type(), (*event).into())?;
        let told = Told { of: event.event_type().to_owned(), time: event.time(), data };
        return Ok((Some(told), None, None, Unchecked::default()));
    }
    let reach = Reach::decode(event.event_type(), (*event).into())?;
    let outputs = reach.outputs(event.subject());
    Ok((None, None, None, Unchecked(outputs.into_iter().map(|output| (None, Output::Other(output))).collect())))
}

impl Reach {
    fn outputs(&self, subject: &str) -> Vec<wire::Output> {
        let key = self.key.clone().unwrap_or_else(|| "k".to_owned());
        let timer = |key: &str, due: u64, of_type: &str| {
            wire::Output::Schedule(wire::Timer {
                key: key.to_owned(),
                due,
                type_: of_type.to_owned(),
                subject: subject.to_owned(),
                data: b"{}".to_vec(),
            })
        };
        let came = |key: &str, due: u64| timer(key, due, Came::TYPE);
        let count = self.count.unwrap_or(10_000);
        match self.what {
            What::Timer => vec![came(&key, self.due)],
            What::TimerBeyondYear9999 => vec![came(&key, YEAR_10000)],
            What::TimerFlood => (0..count).map(|n| came(&format!("k{n}"), self.due + n)).collect(),
            What::TimerOfAnotherType => vec![timer(&key, self.due, "test.unread")],
            What::TimerOfTheHostsType => vec![timer(&key, self.due, "retold.request.replied")],
            What::TimerWithoutKey => vec![came("", self.due)],
            What::TimerWithALongKey => vec![came(&"k".repeat(100_000), self.due)],
            What::TimerTwice => vec![came(&key, self.due), came(&key, self.due + 1)],
            What::Cancel => vec![wire::Output::Cancel(key)],
            What::Request => vec![self.request(&[])],
            What::UndeclaredHost => vec![self.request_to("https://undeclared.example/")],
            What::OwnHostHeader => vec![self.request(&[("Host", "internal")])],
            What::OwnIdempotencyKey => vec![self.request(&[("idempotency-key", "mine")])],
            What::HeaderInjection => vec![self.request(&[("x-a", "1\r\nx-b: 2")])],
            What::UndeclaredSecret => vec![self.request(&[("x-a", "{{secret:undeclared}}")])],
            What::RequestFlood => (0..count).map(|_| self.request(&[])).collect(),
            What::UndeclaredCommand => vec![command("test.undeclared", subject)],
            What::CommandWithoutSubject => vec![command(ToNobody::TYPE, "")],
            What::CommandToNobody => vec![command(ToNobody::TYPE, subject)],
        }
    }

    fn request(&self, more: &[(&str, &str)]) -> wire::Output {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = own.chain(more.iter().copied()).map(|(name, value)| wire::Header { name: name.to_owned(), value: value.to_owned() });
        wire::Output::Request(wire::HttpRequest {
            method: self.method.clone().unwrap_or_else(|| "GET".to_owned()),
            url: self.url.clone().unwrap_or_else(|| "http://127.0.0.1:9/".to_owned()),
            headers: headers.collect(),
            body: self.body.clone().into_bytes(),
            key: self.key.clone(),
        })
    }

    fn request_to(&self, url: &str) -> wire::Output {
        let (method, url) = ("GET".to_owned(), url.to_owned());
        wire::Output::Request(wire::HttpRequest { method, url, headers: Vec::new(), body: Vec::new(), key: None })
    }
}

fn command(of_type: &str, subject: &str) -> wire::Output {
    let (type_, subject) = (of_type.to_owned(), subject.to_owned());
    wire::Output::Command(wire::Command { type_, subject, content_type: None, data: b"{}".to_vec(), key: None })
}

#[cfg(test)]
mod tests {
    use retold::Function;
    use retold::testing::{Given, Trial};

    use super::*;

    fn asked(data: &str) -> Trial<reach_out> {
        let mut trial = Trial::new();
        assert_eq!(trial.give(&Given::json("test.reach", data).about("a")).unwrap(), []);
        trial
    }

    #[test]
    fn each_fault_is_what_it_says() {
        assert_eq!(asked(r#"{"do":"timer_flood","count":7,"due":5}"#).timers().len(), 7);
        assert_eq!(asked(r#"{"do":"timer_beyond_year9999"}"#).timers()[0].due.as_micros(), YEAR_10000);
        assert_eq!(asked(r#"{"do":"own_host_header"}"#).requests()[0].headers[0].0, "Host");
        assert_eq!(asked(r#"{"do":"undeclared_command"}"#).commands()[0].command_type, "test.undeclared");
        let request =
            asked(r#"{"do":"request","url":"http://127.0.0.1:1/x","method":"PUT","headers":[["a","b"]],"body":"c"}"#).requests().remove(0);
        assert_eq!((request.method.as_str(), request.url.as_str(), request.json()), ("PUT", "http://127.0.0.1:1/x", "c"));
    }

    #[test]
    fn it_declares_no_more_than_it_says() {
        let manifest = reach_out::describe();
        assert!(manifest.timers);
        assert_eq!((manifest.emits, manifest.sends), (vec!["test.told".to_owned()], vec!["test.to-nobody".to_owned()]));
    }

    #[test]
    fn what_comes_back_is_told() {
        let mut trial = asked(r#"{"do":"timer","due":5}"#);
        let outputs = trial.advance(std::time::Duration::from_micros(5)).unwrap();
        assert_eq!(outputs[0].json(), r#"{"of":"test.came","time":"1970-01-01T00:00:00.000005Z","data":{}}"#);
    }
}
