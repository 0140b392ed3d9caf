//! Webhooks in: a foreign request runs an ingress function, and what that makes of it is appended. Each event
//! is named by its sender, so that a request that comes again adds nothing.

use std::collections::BTreeSet;

use hmac::{Hmac, Mac};
use retold_engine::model::{
    Calls, DUE_MAX, Event, EventDraft, FunctionKind, FunctionManifest, GuestFault, IngressAnswer, IngressRequest, LogLevel, NewEvent,
    NotAnswered, Position, StateError, is_reserved_type,
};
use retold_engine::run::{Fault, Guests};
use retold_engine::store;
use sha2::Sha256;
use tokio::sync::oneshot;

use super::inside::Inside;
use super::namespace::Namespace;
use super::outside::{SecretError, Secrets};
use super::types::{Append, DriveError, WaitFor};

/// A foreign request.
pub type Received = IngressRequest;

/// What became of it.
#[derive(Clone, Debug)]
pub enum Taken {
    /// Its events are on disk.
    Appended(Append),
    /// In the function's own words. Nothing is recorded.
    Answered(IngressAnswer),
}

impl Namespace {
    /// Hands a foreign request to an ingress function.
    pub async fn ingress(&self, name: &str, request: Received) -> Result<Taken, DriveError> {
        self.check_writable()?;
        self.inside().check_growth()?;
        let inside = self.inside().clone();
        let row = inside.of_kind(name, FunctionKind::Ingress)?;
        if !row.is_active() {
            return Err(DriveError::Unavailable(format!("ingress function {name} is paused: `retold functions resume {name}`")));
        }
        let _permit = inside.queries.clone().try_acquire_owned().map_err(|_| DriveError::Busy)?;
        let (reply, answer) = oneshot::channel();
        let (running, manifest) = (inside.clone(), row.manifest.clone());
        inside.ask(name, move || drop(reply.send(accept(&running, &manifest, row.module, &request))));
        match answer.await.map_err(|_| DriveError::Stopping)?? {
            Err(answer) => Ok(Taken::Answered(answer)),
            Ok(events) => {
                let append = store::Append { events, ..store::Append::default() };
                Ok(Taken::Appended(self.append(append, WaitFor::Durable).await?))
            }
        }
    }
}

fn accept(
    inside: &Inside,
    manifest: &FunctionManifest,
    module: u32,
    request: &Received,
) -> Result<Result<Vec<NewEvent>, IngressAnswer>, DriveError> {
    let name = &manifest.name;
    let failed = |fault: Fault| DriveError::Ingress { function: name.clone(), reason: fault.reason, message: fault.message };
    let snapshot = inside.reader.snapshot()?;
    let guest = inside.guests_at(&snapshot).guest(module);
    let guest = guest.ok_or_else(|| DriveError::Unavailable(format!("the module of {name} is not loaded")))?;
    let log = inside.logs.of(name);
    let mut calls = IngressCalls {
        secrets: &inside.sending.client.outside().secrets,
        declared: &manifest.secrets,
        missing: None,
        log: &|level, message| log.add(level, message),
    };
    let answer = guest.accept(name, request, &manifest.limits.of_a_call(), &mut calls);
    if let Some(missing) = calls.missing {
        // Whatever the function made of it, it could not know better.
        return Err(DriveError::Secret { function: name.clone(), error: missing });
    }
    match answer {
        Ok(Ok(drafts)) => events(manifest, drafts).map(Ok).map_err(failed),
        Ok(Err(answer)) => Ok(Err(answer)),
        Err(NotAnswered::Unavailable(why) | NotAnswered::Fault(GuestFault::StateRefused(StateError::Storage(why)))) => {
            Err(DriveError::Unavailable(why))
        }
        Err(NotAnswered::Fault(fault)) => Err(failed(Fault::of(fault))),
    }
}

/// The events as they are appended, held against the manifest.
fn events(manifest: &FunctionManifest, drafts: Vec<EventDraft>) -> Result<Vec<NewEvent>, Fault> {
    let mut keys = BTreeSet::new();
    let mut events = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let EventDraft { r#type, subject, tags, content_type, data, key, time } = draft;
        if !manifest.emits.contains(&r#type) || is_reserved_type(&r#type) {
            return Err(Fault::undeclared(format!("an event of type {type:?}, which the manifest's `emits` doesn't name")));
        }
        let Some(key) = key else {
            let what =
                format!("an event of type {type:?} has no key: give it what its sender calls it, so that it is known if it comes again");
            return Err(Fault::output(what));
        };
        if time.is_some_and(|time| time > DUE_MAX) {
            return Err(Fault::output(format!("an event's `time` is {} µs since 1970, beyond the year 9999", time.unwrap_or_default().0)));
        }
        if !keys.insert(key.clone()) {
            return Err(Fault::output(format!("two events have the key {key:?}: give each its own")));
        }
        let event = NewEvent {
            id: key,
            source: format!("/ingress/{}", manifest.name),
            r#type,
            subject,
            time,
            content_type: content_type.unwrap_or_else(|| "application/json".to_owned()),
            data,
            tags,
            ..NewEvent::default()
        };
        event.check().map_err(|(field, what)| {
            let field = if field == "id" { "key" } else { field };
            Fault::output(format!("an event's `{field}` {what}"))
        })?;
        events.push(event);
    }
    Ok(events)
}

/// What an ingress function may ask of the host: whether a signature is right.
struct IngressCalls<'a> {
    secrets: &'a Secrets,
    declared: &'a [String],
    /// A secret that it needs and the operator has not.
    missing: Option<SecretError>,
    log: &'a dyn Fn(LogLevel, &str),
}

const STATELESS: StateError = StateError::NotHere("an ingress function keeps no state");

impl Calls for IngressCalls<'_> {
    fn state_get(&mut self, _: u32, _: &str) -> Result<Option<Vec<u8>>, StateError> {
        Err(STATELESS)
    }

    fn state_put(&mut self, _: u32, _: &str, _: &[u8]) -> Result<(), StateError> {
        Err(STATELESS)
    }

    fn state_delete(&mut self, _: u32, _: &str) -> Result<(), StateError> {
        Err(STATELESS)
    }

    fn state_scan(&mut self, _: u32, _: &str, _: Option<&str>, _: u32) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        Err(STATELESS)
    }

    fn details(&mut self, _: Position) -> Option<Event> {
        None
    }

    fn log(&mut self, level: LogLevel, message: &str) {
        (self.log)(level, message);
    }

    fn verify_hmac_sha256(&mut self, secret: &str, message: &[u8], signature: &[u8]) -> bool {
        if !self.declared.iter().any(|declared| declared == secret) {
            (self.log)(LogLevel::Warn, &SecretError::Undeclared(secret.to_owned()).to_string());
            return false;
        }
        match self.secrets.get(secret) {
            Ok(key) => is_signed(key.bytes(), message, signature),
            Err(error) => {
                self.missing = Some(error);
                false
            }
        }
    }
}

/// Compares in a time that tells nothing. Nobody signs with an empty key.
fn is_signed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok().filter(|_| !key.is_empty());
    mac.is_some_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
}

#[cfg(test)]
mod tests {
    use retold_engine::model::{FailurePolicy, LimitsAsked, Start, Timestamp};

    use super::*;

    fn manifest() -> FunctionManifest {
        FunctionManifest {
            name: "github".into(),
            kind: FunctionKind::Ingress,
            subscribes: Vec::new(),
            emits: vec!["github.push".into()],
            decides: Vec::new(),
            sends: Vec::new(),
            start: Start::Now,
            failure_policy: FailurePolicy::Park,
            split: None,
            limits: LimitsAsked::default(),
            schedules: Vec::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            timers: false,
        }
    }

    fn draft(key: Option<&str>) -> EventDraft {
        EventDraft { r#type: "github.push".into(), key: key.map(str::to_owned), data: b"{}".into(), ..EventDraft::default() }
    }

    /// RFC 4231, test case 2.
    #[test]
    fn a_signature_is_right_or_it_is_not() {
        let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let signature: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&signature[at * 2..at * 2 + 2], 16).expect("a byte")).collect();
        let message = b"what do ya want for nothing?";
        assert!(is_signed(b"Jefe", message, &signature));
        assert!(!is_signed(b"jefe", message, &signature));
        assert!(!is_signed(b"Jefe", b"what do ya want?", &signature));
        assert!(!is_signed(b"Jefe", message, &signature[..31]) && !is_signed(b"Jefe", message, b""));
        let empty = Hmac::<Sha256>::new_from_slice(b"").expect("a key").chain_update(message).finalize().into_bytes();
        assert!(!is_signed(b"", message, &empty));
    }

    #[test]
    fn an_event_is_named_by_its_key_and_may_say_when_it_happened() {
        let asked = EventDraft { time: Some(Timestamp(7)), ..draft(Some("72d3162e")) };
        let made = events(&manifest(), vec![asked, draft(Some("other"))]).expect("made");
        assert_eq!(
            (made[0].id.as_str(), made[0].source.as_str(), made[0].content_type.as_str()),
            ("72d3162e", "/ingress/github", "application/json")
        );
        assert_eq!((made[0].time.map(|time| time.0), made[1].time), (Some(7), None));
    }

    #[test]
    fn what_an_ingress_function_may_not_make_is_refused_by_name() {
        let long = "k".repeat(1_000);
        for (drafts, reason, part) in [
            (vec![draft(None)], "output", "has no key"),
            (vec![draft(Some("a")), draft(Some("a"))], "output", "two events"),
            (vec![draft(Some(""))], "output", "`key`"),
            (vec![draft(Some(&long))], "output", "`key`"),
            (vec![EventDraft { r#type: "other".into(), ..draft(Some("a")) }], "undeclared", "\"other\""),
            (vec![EventDraft { time: Some(Timestamp(u64::MAX)), ..draft(Some("a")) }], "output", "`time`"),
        ] {
            let fault = events(&manifest(), drafts).expect_err("refused");
            assert_eq!(fault.reason, reason);
            assert!(fault.message.contains(part), "{}", fault.message);
        }
    }
}
