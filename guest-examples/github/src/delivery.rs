//! `github`: takes a delivery, or answers why not.

use retold::encoding;
use retold::prelude::*;

use crate::events::Delivery;

/// The operator's name for the secret that stands in the settings of the webhook at GitHub.
const SECRET: &str = "github-webhook";

/// What all payloads have in common, as far as it is wanted here.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    repository: Option<Repository<'a>>,
    issue: Option<Changed>,
    pull_request: Option<Changed>,
}

#[derive(Deserialize)]
struct Repository<'a> {
    full_name: &'a str,
}

#[derive(Deserialize)]
struct Changed {
    updated_at: Timestamp,
}

#[ingress(secrets("github-webhook"))]
pub fn github(incoming: Incoming) -> Result<Delivery, Response> {
    if !is_signed(&incoming) {
        return Err(Response::new(401).text("X-Hub-Signature-256 is missing or wrong"));
    }
    let delivery = incoming.header("X-GitHub-Delivery").ok_or_else(|| Response::new(400).text("X-GitHub-Delivery is missing"))?;
    let payload: Payload = incoming.json()?;
    match incoming.header("X-GitHub-Event").unwrap_or_default() {
        "ping" => Ok(Delivery::Ping(event(&incoming, delivery, &payload))),
        "push" => Ok(Delivery::Push(event(&incoming, delivery, &payload))),
        "issues" => Ok(Delivery::Issues(event(&incoming, delivery, &payload))),
        "pull_request" => Ok(Delivery::PullRequest(event(&incoming, delivery, &payload))),
        "release" => Ok(Delivery::Release(event(&incoming, delivery, &payload))),
        "star" => Ok(Delivery::Star(event(&incoming, delivery, &payload))),
        other => Err(Response::new(202).text(format!("{other:?} is not recorded here"))),
    }
}

/// GitHub signs the body, to the byte: `sha256=` and hexadecimal digits.
fn is_signed(incoming: &Incoming<'_>) -> bool {
    let signature = incoming.header("X-Hub-Signature-256").and_then(|header| header.strip_prefix("sha256="));
    let signature = signature.and_then(encoding::hex);
    signature.is_some_and(|signature| incoming.verify_hmac_sha256(SECRET, incoming.body(), &signature))
}

/// The payload as it came, about the repository. What is delivered again has the same key, and so the
/// same id.
fn event<E: Event>(incoming: &Incoming<'_>, delivery: &str, payload: &Payload<'_>) -> Emit<Verbatim<E>> {
    let event = E::verbatim(incoming.body()).key(delivery);
    let event = match &payload.repository {
        Some(repository) => event.about(repository.full_name),
        None => event,
    };
    match payload.issue.as_ref().or(payload.pull_request.as_ref()) {
        Some(changed) => event.at(changed.updated_at),
        None => event,
    }
}

#[cfg(test)]
mod tests {
    use retold::testing::{Output, Posted, Trial, hmac_sha256_hex};

    use super::*;

    const KEY: &str = "It's a Secret to Everybody";

    const PAYLOADS: [(&str, &str); 6] = [
        ("ping", include_str!("../payloads/ping.json")),
        ("push", include_str!("../payloads/push.json")),
        ("issues", include_str!("../payloads/issues.json")),
        ("pull_request", include_str!("../payloads/pull_request.json")),
        ("release", include_str!("../payloads/release.json")),
        ("star", include_str!("../payloads/star.json")),
    ];

    fn posted(event: &str, body: &str, signature: &str) -> Posted {
        let posted = Posted::new(body).header("x-github-event", event).header("x-hub-signature-256", signature);
        posted.header("x-github-delivery", format!("delivery-of-{event}"))
    }

    fn accept(posted: &Posted) -> Result<Vec<Output>, Response> {
        let mut trial = Trial::<github>::new();
        trial.secret(SECRET, KEY);
        trial.accept(posted)
    }

    fn signed(event: &str, body: &str) -> Posted {
        posted(event, body, &format!("sha256={}", hmac_sha256_hex(KEY, body.as_bytes())))
    }

    /// From GitHub's own page on validating webhook deliveries.
    #[test]
    fn githubs_own_example_of_a_signature_is_right() {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let response = accept(&posted("push", "Hello, World!", signature)).unwrap_err();
        assert_eq!(response.status, 400, "the signature is right, and the body is no payload");
    }

    #[test]
    fn each_payload_is_recorded_as_it_came_under_the_id_of_its_delivery() {
        for (event, body) in PAYLOADS {
            let events = accept(&signed(event, body)).unwrap();
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].event_type, format!("github.{event}"));
            assert_eq!(events[0].subject, body.parse::<Json>().unwrap()["repository"]["full_name"]);
            assert_eq!(events[0].key, Some(format!("delivery-of-{event}")));
            assert_eq!(events[0].json(), body);
        }
    }

    #[test]
    fn an_issue_happened_when_it_was_changed() {
        let time = |place: usize| accept(&signed(PAYLOADS[place].0, PAYLOADS[place].1)).unwrap()[0].time;
        assert_eq!(time(2), Some("2019-05-15T15:20:18Z".parse().unwrap()));
        assert_eq!(time(1), None);
    }

    #[test]
    fn what_is_signed_wrong_or_not_at_all_makes_nothing() {
        let (event, body) = PAYLOADS[1];
        let right = hmac_sha256_hex(KEY, body.as_bytes());
        let changed = body.replace("Codertocat", "Somebody12");
        for posted in [
            posted(event, body, &format!("sha256={}", hmac_sha256_hex("another", body.as_bytes()))),
            posted(event, &changed, &format!("sha256={right}")),
            posted(event, body, &right),
            posted(event, body, &format!("sha256={}", &right[..62])),
            posted(event, body, "sha256="),
            Posted::new(body).header("x-github-event", event).header("x-github-delivery", "d"),
        ] {
            assert_eq!(accept(&posted).unwrap_err().status, 401);
        }
    }

    #[test]
    fn a_delivery_without_an_id_is_refused_and_an_unknown_event_is_let_go() {
        let body = PAYLOADS[1].1;
        let signature = format!("sha256={}", hmac_sha256_hex(KEY, body.as_bytes()));
        let without_id = Posted::new(body).header("x-github-event", "push").header("x-hub-signature-256", signature);
        assert_eq!(accept(&without_id).unwrap_err().status, 400);
        assert_eq!(accept(&signed("fork", body)).unwrap_err().status, 202);
    }
}
