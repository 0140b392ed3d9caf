//! As little as can be of everything that reaches beyond the log: a timer an event, a request an event, and a
//! signed webhook an event.

use retold::encoding;
use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("timer.asked")]
pub struct TimerAsked {
    due: Timestamp,
}

#[derive(Event, Serialize, Deserialize)]
#[event("timer.came")]
pub struct TimerCame {}

#[derive(Event)]
pub enum Timed {
    Asked(TimerAsked),
    Came(TimerCame),
}

/// A timer of its own for each event.
#[handler]
pub fn timing(event: Recorded<Timed>) -> Result<Option<Timer<TimerCame>>> {
    let Timed::Asked(asked) = &*event else { return Ok(None) };
    Ok(Some(Timer::at(asked.due, event.position().to_string(), TimerCame {})))
}

#[derive(Event, Deserialize)]
#[event("request.asked")]
pub struct RequestAsked {
    url: String,
}

#[handler(hosts("127.0.0.1"))]
pub fn asking(event: Recorded<RequestAsked>) -> Result<Request> {
    Ok(Request::post(&event.url).body("application/json", *b"{}"))
}

#[derive(Event)]
#[event("hook.delivered")]
pub struct Delivered {}

/// Signed like GitHub's.
#[ingress(secrets("bench"))]
pub fn hook(incoming: Incoming) -> Result<Emit<Verbatim<Delivered>>, Response> {
    let signature = incoming.header("x-signature").and_then(encoding::hex).unwrap_or_default();
    if !incoming.verify_hmac_sha256("bench", incoming.body(), &signature) {
        return Err(Response::new(401).text("X-Signature is missing or wrong"));
    }
    let delivery = incoming.header("x-delivery").ok_or_else(|| Response::new(400).text("X-Delivery is missing"))?;
    Ok(Delivered::verbatim(incoming.body()).key(delivery))
}

retold::module!(name = "outside", timing, asking, hook);

#[cfg(test)]
mod tests {
    use retold::testing::{Given, Posted, Trial, hmac_sha256_hex};

    use super::*;

    #[test]
    fn each_event_asks_for_one_thing() {
        let mut timed = Trial::<timing>::new();
        timed.give(&Given::json("timer.asked", r#"{"due":"2030-01-01T00:00:00Z"}"#)).unwrap();
        assert_eq!(timed.timers().len(), 1);
        let mut asked = Trial::<asking>::new();
        asked.give(&Given::json("request.asked", r#"{"url":"http://127.0.0.1:1/"}"#)).unwrap();
        assert_eq!(asked.requests().len(), 1);
    }

    #[test]
    fn a_webhook_needs_its_signature() {
        let mut trial = Trial::<hook>::new();
        trial.secret("bench", "key");
        let posted = Posted::new("{}").header("x-delivery", "1");
        let signed = Posted::new("{}").header("x-delivery", "1").header("x-signature", hmac_sha256_hex("key", b"{}"));
        assert_eq!(trial.accept(&posted).unwrap_err().status, 401);
        assert_eq!(trial.accept(&signed).unwrap().len(), 1);
    }
}
