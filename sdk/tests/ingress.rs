//! Ingress functions, as `#[ingress]` makes them.

use retold::__private::wire::FunctionKind;
use retold::Function;
use retold::encoding;
use retold::prelude::*;
use retold::testing::{Posted, Trial, hmac_sha256_hex};

#[derive(Event, Serialize, Deserialize)]
#[event("payment.settled")]
struct Settled {
    cents: u64,
    when: Timestamp,
}

#[derive(Event, Serialize)]
#[event("payment.opened")]
struct Opened {
    cents: u64,
}

/// Told apart only where it is large.
type Payment = (Option<Emit<Opened>>, Emit<Verbatim<Settled>>);

#[ingress(name = "payments", secrets("payments-webhook"))]
fn payment_service(incoming: Incoming) -> Result<Payment, Response> {
    let signature = incoming.header("X-Signature").and_then(encoding::hex).unwrap_or_default();
    if !incoming.verify_hmac_sha256("payments-webhook", incoming.body(), &signature) {
        return Err(Response::new(401).text("the signature is wrong").header("x-why", "signature"));
    }
    let Settled { cents, when } = incoming.json()?;
    let id = incoming.url().trim_start_matches('/');
    let opened = (cents > 100).then(|| Opened { cents }.key(format!("{id}-opened")));
    Ok((opened, Settled::verbatim(incoming.body()).about(format!("payment/{id}")).key(id).at(when).tag("paid")))
}

#[ingress]
fn bare(incoming: Incoming<'_>) -> Result<(), Response> {
    assert_eq!(incoming.method(), "POST");
    if incoming.headers().count() == 0 { Ok(()) } else { Err(Response::new(204)) }
}

fn deliver(body: &str, signature: &str) -> Result<Vec<retold::testing::Output>, Response> {
    let mut trial = Trial::<payment_service>::new();
    trial.secret("payments-webhook", "a secret");
    trial.accept(&Posted::new(body).url("/7").header("x-signature", signature))
}

const BODY: &str = r#"{ "when": "2026-01-01T12:00:00Z", "cents": 250, "more": [] }"#;

#[test]
fn a_signed_request_becomes_events_with_keys_and_times_as_it_came() {
    let events = deliver(BODY, &hmac_sha256_hex("a secret", BODY.as_bytes())).unwrap();
    assert_eq!(events[0].json(), r#"{"cents":250}"#);
    assert_eq!((events[0].key.as_deref(), events[0].subject.as_str(), events[0].time), (Some("7-opened"), "", None));
    let settled = &events[1];
    assert_eq!((settled.event_type.as_str(), settled.json()), ("payment.settled", BODY));
    assert_eq!(
        (settled.key.as_deref(), settled.subject.as_str(), settled.tags.as_slice()),
        (Some("7"), "payment/7", &["paid".to_owned()][..])
    );
    assert_eq!(settled.time, Some("2026-01-01T12:00:00Z".parse().unwrap()));
}

#[test]
fn a_wrong_signature_is_answered_and_makes_nothing() {
    for signature in [&hmac_sha256_hex("another", BODY.as_bytes()), &hmac_sha256_hex("a secret", b"{}"), "", "no digits"] {
        let response = deliver(BODY, signature).unwrap_err();
        assert_eq!((response.status, response.body.as_slice()), (401, b"the signature is wrong".as_slice()));
        assert!(response.headers.contains(&("x-why".to_owned(), "signature".to_owned())));
    }
}

#[test]
fn a_body_that_cannot_be_read_is_answered_with_400_and_the_place() {
    let body = r#"{"cents":"many"}"#;
    let response = deliver(body, &hmac_sha256_hex("a secret", body.as_bytes())).unwrap_err();
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 400);
    assert!(text.starts_with("the body can't be read as Settled: cents: invalid type"), "{text}");
}

#[test]
fn a_manifest_tells_what_may_come_and_which_secrets_are_used() {
    let manifest = payment_service::describe();
    assert_eq!(manifest.name, "payments");
    assert!(matches!(manifest.kind, FunctionKind::Ingress));
    assert_eq!(manifest.emits, ["payment.opened", "payment.settled"]);
    assert_eq!((manifest.secrets.len(), manifest.subscribes.len()), (1, 0));
    assert_eq!(bare::describe().name, "bare");
}

#[test]
fn a_request_may_make_nothing_and_be_answered_or_not() {
    let mut trial = Trial::<bare>::new();
    assert_eq!(trial.accept(&Posted::new("")).unwrap(), []);
    assert_eq!(trial.accept(&Posted::new("").header("a", "b")).unwrap_err(), Response::new(204));
}

#[test]
#[should_panic(expected = "bare has no secret \"key\"")]
fn a_secret_that_is_not_declared_fails_the_test() {
    Trial::<bare>::new().secret("key", "value");
}

retold::module!(name = "payments", version = "1.0.0", payment_service, bare);
