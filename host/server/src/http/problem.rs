//! Errors as clients see them: RFC 9457 problem details. The status is chosen here and nowhere else.

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use retold_engine::model::limits;
use retold_engine::run::ConsumerRefused;
use retold_engine::store::{Refused, StoreError};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::body::Body;
use super::problem_kinds::{self as kinds, Kind};
use super::values::value_member;
use crate::drive::{DeployRefused, DriveError, SchemaRefused, TokenRefused};
use crate::wasm::ModuleError;

/// One request that came to nothing: what happened, to what, and what to do.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: &'static Kind,
    pub detail: String,
    /// Members of the body beside RFC 9457's own: `field`, `position`, `line` …
    pub members: Vec<(&'static str, Value)>,
    /// Seconds after which it may be tried again.
    retry_after: Option<u32>,
    /// What the path does take.
    allow: Option<String>,
}

impl Problem {
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), members: Vec::new(), retry_after: None, allow: None }
    }

    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Problem {
        self.members.push((member, value.into()));
        self
    }

    pub fn without(mut self, member: &str) -> Problem {
        self.members.retain(|(known, _)| *known != member);
        self
    }

    /// Says it in other words.
    pub fn with_detail(mut self, detail: String) -> Problem {
        self.detail = detail;
        self
    }

    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after = Some(seconds);
        self
    }

    pub fn allow(mut self, methods: String) -> Problem {
        self.allow = Some(methods);
        self
    }

    /// A parameter of the path or the query that can't be used; `what` begins with a verb.
    pub fn parameter(name: &str, what: impl std::fmt::Display) -> Problem {
        Problem::new(&kinds::INVALID_PARAMETER, format!("parameter `{name}` {what}")).with("field", name)
    }

    pub fn busy() -> Problem {
        Problem::new(&kinds::BUSY, "too much waits to be written: send the request again in a moment; repeating an append is safe")
            .retry_after(1)
    }

    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::full(serde_json::to_vec(&self).unwrap_or_default()));
        *response.status_mut() = StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.kind.status == 401 {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.allow.and_then(|methods| HeaderValue::try_from(methods).ok()) {
            response.headers_mut().insert(ALLOW, methods);
        }
        response
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut body = to.serialize_map(None)?;
        body.serialize_entry("type", &format!("urn:retold:problem:{}", self.kind.name))?;
        body.serialize_entry("title", self.kind.title)?;
        body.serialize_entry("status", &self.kind.status)?;
        body.serialize_entry("detail", &self.detail)?;
        for (member, value) in &self.members {
            body.serialize_entry(member, value)?;
        }
        body.end()
    }
}

impl From<DriveError> for Problem {
    fn from(error: DriveError) -> Problem {
        match error {
            DriveError::Refused(refused) => refused.into(),
            DriveError::Store(error) => error.into(),
            DriveError::Module(error) => error.into(),
            DriveError::Manifest(error) => Problem::new(&kinds::MODULE_REFUSED, error.to_string()).with("reason", "manifest"),
            DriveError::Name(what) => Problem::new(&kinds::INVALID_NAME, what).with("field", "name"),
            DriveError::Token(refused) => refused.into(),
            DriveError::Busy => Problem::busy(),
            DriveError::QuotaReached { ref namespace, what, max } => Problem::new(&kinds::QUOTA_REACHED, error.to_string())
                .with("namespace", namespace.clone())
                .with("limit", what)
                .with("max", max),
            DriveError::NoSpace { free_bytes, needed_bytes } => Problem::new(&kinds::STORAGE_FULL, error.to_string())
                .with("free_bytes", free_bytes)
                .with("needed_bytes", needed_bytes)
                .retry_after(5),
            DriveError::Stopping => {
                Problem::new(&kinds::STOPPING, "the host is shutting down: send the request again once it is back").retry_after(5)
            }
            DriveError::Schema(ref misfit) => Problem::new(&kinds::SCHEMA_VIOLATION, error.to_string())
                .with("index", misfit.index)
                .with("event_type", misfit.r#type.clone())
                .with("path", misfit.path.clone()),
            DriveError::SchemaRefused(refused) => {
                let detail = refused.to_string();
                match refused {
                    SchemaRefused::NotASchema { r#type, .. } => Problem::new(&kinds::INVALID_SCHEMA, detail).with("event_type", r#type),
                    SchemaRefused::Other { r#type, place, .. } => {
                        Problem::new(&kinds::SCHEMA_CONFLICT, detail).with("event_type", r#type).with("path", place)
                    }
                    SchemaRefused::History { r#type, position, path, .. } => Problem::new(&kinds::SCHEMA_CONFLICT, detail)
                        .with("event_type", r#type)
                        .with("position", position.to_string())
                        .with("path", path),
                    SchemaRefused::None { r#type } => Problem::new(&kinds::UNKNOWN_TYPE, detail).with("event_type", r#type),
                }
            }
            DriveError::DeployRefused(ref refused) => {
                let detail = error.to_string();
                match refused {
                    DeployRefused::Upcaster { position, .. } => {
                        Problem::new(&kinds::MODULE_REFUSED, detail).with("reason", "upcaster").with("position", position.to_string())
                    }
                    DeployRefused::NoUpcaster { function, stored, .. } => Problem::new(&kinds::MODULE_REFUSED, detail)
                        .with("reason", "no-upcaster")
                        .with("function", function.clone())
                        .with("event_type", stored.clone()),
                    DeployRefused::Nondeterministic { function, .. } => {
                        Problem::new(&kinds::MODULE_REFUSED, detail).with("reason", "nondeterministic").with("function", function.clone())
                    }
                }
            }
            DriveError::UnknownCommand(ref name) => Problem::new(&kinds::UNKNOWN_COMMAND, error.to_string()).with("command", name.clone()),
            DriveError::UnknownOfKind { ref name, .. } => {
                Problem::new(&kinds::UNKNOWN_FUNCTION, error.to_string()).with("function", name.clone())
            }
            DriveError::Aggregate { ref function, ref subject, ref fault } => Problem::new(&kinds::FUNCTION_FAILED, error.to_string())
                .with("function", function.clone())
                .with("subject", subject.clone())
                .with("reason", fault.reason),
            DriveError::Upcast { position, reason, .. } => {
                Problem::new(&kinds::FUNCTION_FAILED, error.to_string()).with("position", position.to_string()).with("reason", reason)
            }
            DriveError::Query { ref function, reason, .. } => {
                Problem::new(&kinds::FUNCTION_FAILED, error.to_string()).with("function", function.clone()).with("reason", reason)
            }
            DriveError::Ingress { ref function, reason, .. } => {
                Problem::new(&kinds::FUNCTION_FAILED, error.to_string()).with("function", function.clone()).with("reason", reason)
            }
            DriveError::Secret { ref function, .. } => {
                Problem::new(&kinds::SECRET_MISSING, error.to_string()).with("function", function.clone())
            }
            DriveError::RequestHeld(position) => {
                Problem::new(&kinds::CONTROL_CONFLICT, error.to_string()).with("position", position.to_string())
            }
            DriveError::QueryRejected { code, message, data } => {
                let problem = Problem::new(&kinds::QUERY_REJECTED, message).with("code", code);
                if data.is_empty() { problem } else { problem.with("data", value_member(&data)) }
            }
            DriveError::ViewBehind { view, position, lag, wanted, .. } if wanted.0 > position.0 + lag => {
                let head = position.0 + lag;
                let what = format!("is {wanted}, and the log ends at {head}: ask with a position that the host gave");
                Problem::parameter("min-position", what)
                    .with("view", view)
                    .with("position", position.to_string())
                    .with("head", head.to_string())
            }
            DriveError::ViewBehind { ref view, position, lag, .. } => Problem::new(&kinds::VIEW_BEHIND, error.to_string())
                .with("view", view.clone())
                .with("position", position.to_string())
                .with("lag", lag)
                .retry_after(1),
            DriveError::UnknownReplay(ref id) => Problem::new(&kinds::UNKNOWN_REPLAY, error.to_string()).with("replay", id.clone()),
            DriveError::UnknownNamespace(ref name) => {
                Problem::new(&kinds::UNKNOWN_NAMESPACE, error.to_string()).with("namespace", name.clone())
            }
            DriveError::Generation { ref namespace, .. } => {
                Problem::new(&kinds::GENERATION_CONFLICT, error.to_string()).with("namespace", namespace.clone())
            }
            DriveError::DeployUnderWay { ref module, ref replay } => {
                Problem::new(&kinds::DEPLOY_UNDER_WAY, error.to_string()).with("module", module.clone()).with("replay", replay.clone())
            }
            DriveError::Rehearsal { ref module, ref replay, reason, .. } => Problem::new(&kinds::REHEARSAL_REFUSED, error.to_string())
                .with("module", module.clone())
                .with("replay", replay.clone())
                .with("reason", reason),
            DriveError::ReadOnly { ref namespace, .. } => {
                Problem::new(&kinds::READ_ONLY, error.to_string()).with("namespace", namespace.clone())
            }
            DriveError::ReplayFailed(ref failed) => Problem::new(&kinds::REHEARSAL_REFUSED, error.to_string())
                .with("function", failed.function.clone())
                .with("reason", failed.reason)
                .with("position", failed.position.to_string()),
            DriveError::Rewound { ref function } | DriveError::ReadsChanged { ref function } => {
                Problem::new(&kinds::STATE_CONFLICT, error.to_string()).with("function", function.clone()).retry_after(1)
            }
            DriveError::Superseded | DriveError::Unavailable(_) => Problem::new(&kinds::BUSY, error.to_string()).retry_after(1),
            DriveError::UnknownConsumer(ref name) => {
                Problem::new(&kinds::UNKNOWN_CONSUMER, error.to_string()).with("consumer", name.clone())
            }
            DriveError::Consumer(refused) => refused.into(),
            DriveError::ConsumerSettings { field, .. } => Problem::new(&kinds::INVALID_CONSUMER, error.to_string()).with("field", field),
            DriveError::TooManyConsumers => {
                Problem::new(&kinds::LIMIT_REACHED, error.to_string()).with("max", limits::CONSUMERS_PER_NAMESPACE_MAX)
            }
            DriveError::EndpointRefused { ref url, reason, .. } => {
                Problem::new(&kinds::ENDPOINT_REFUSED, error.to_string()).with("url", url.clone()).with("reason", reason)
            }
            DriveError::HasEndpoint(ref name) => Problem::new(&kinds::ENDPOINT_CONFLICT, error.to_string()).with("consumer", name.clone()),
            DriveError::StreamBroken => Problem::new(&kinds::CONDITION_FAILED, error.to_string()),
        }
    }
}

impl From<TokenRefused> for Problem {
    fn from(refused: TokenRefused) -> Problem {
        let detail = refused.to_string();
        match refused {
            TokenRefused::Field { field, .. } => Problem::new(&kinds::INVALID_TOKEN, detail).with("field", field),
            TokenRefused::Unknown(id) => Problem::new(&kinds::UNKNOWN_TOKEN, detail).with("token", id),
            TokenRefused::NoOperator { .. } => Problem::new(&kinds::NO_OPERATOR, detail),
            TokenRefused::TooMany => Problem::new(&kinds::LIMIT_REACHED, detail).with("max", limits::TOKENS_MAX),
            TokenRefused::NoLongerAdmitted => Problem::new(&kinds::UNAUTHENTICATED, detail),
        }
    }
}

impl From<ConsumerRefused> for Problem {
    fn from(refused: ConsumerRefused) -> Problem {
        let detail = refused.to_string();
        match refused {
            ConsumerRefused::Store(error) => error.into(),
            ConsumerRefused::UnknownLease => Problem::new(&kinds::LEASE_CONFLICT, detail).with("reason", "unknown"),
            ConsumerRefused::OthersLease { owner, .. } => {
                Problem::new(&kinds::LEASE_CONFLICT, detail).with("reason", "others").with("member", owner)
            }
            ConsumerRefused::LeaseOver => Problem::new(&kinds::LEASE_CONFLICT, detail).with("reason", "over"),
            ConsumerRefused::LeaseLost => Problem::new(&kinds::LEASE_CONFLICT, detail).with("reason", "lost"),
            ConsumerRefused::HeldByAnother(at) => {
                Problem::new(&kinds::LEASE_CONFLICT, detail).with("reason", "held-by-another").with("position", at.to_string())
            }
            ConsumerRefused::NeverGiven(at) => {
                Problem::new(&kinds::LEASE_CONFLICT, detail).with("reason", "never-given").with("position", at.to_string())
            }
            ConsumerRefused::IsParked(at) | ConsumerRefused::NotParked(at) => {
                Problem::new(&kinds::PARKED_CONFLICT, detail).with("position", at.to_string())
            }
            ConsumerRefused::NotFirst { position, first } => {
                Problem::new(&kinds::PARKED_CONFLICT, detail).with("position", position.to_string()).with("first", first.to_string())
            }
            ConsumerRefused::TooManyMembers { found } => {
                Problem::new(&kinds::LIMIT_REACHED, detail).with("found", found).with("max", limits::CONSUMER_MEMBERS_MAX)
            }
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let detail = refused.to_string();
        match refused {
            Refused::Condition { found, .. } => Problem::new(&kinds::CONDITION_FAILED, detail).with("position", found.to_string()),
            Refused::Content { index, id, source_attribute, position } => Problem::new(&kinds::CONTENT_CONFLICT, detail)
                .with("index", index)
                .with("id", id)
                .with("source", source_attribute)
                .with("position", position.to_string()),
            // Nothing can be wrong with bytes but that they are too many.
            Refused::Field { index, field: "data", .. } => {
                Problem::new(&kinds::TOO_LARGE, detail).with("index", index).with("field", "data")
            }
            Refused::Field { index, field, .. } => Problem::new(&kinds::INVALID_EVENT, detail).with("index", index).with("field", field),
            Refused::TooLarge { what, found, max } => {
                Problem::new(&kinds::TOO_LARGE, detail).with("limit", what).with("found", found).with("max", max)
            }
            Refused::UnknownFunction(name) => Problem::new(&kinds::UNKNOWN_FUNCTION, detail).with("function", name),
            Refused::UnknownModule(name) => Problem::new(&kinds::UNKNOWN_MODULE, detail).with("module", name),
            Refused::NameTaken { function, owner } => {
                Problem::new(&kinds::NAME_TAKEN, detail).with("function", function).with("module", owner)
            }
            Refused::TwoUpcasters { r#type, .. } | Refused::UpcastCircle { r#type, .. } => {
                Problem::new(&kinds::UPCASTER_CONFLICT, detail).with("event_type", r#type)
            }
            Refused::UpcastGap { made, .. } => Problem::new(&kinds::UPCASTER_CONFLICT, detail).with("event_type", made),
            Refused::CommandTaken { command, .. } => Problem::new(&kinds::COMMAND_TAKEN, detail).with("command", command),
            Refused::Conflict { subject, found, .. } => {
                Problem::new(&kinds::SUBJECT_CONFLICT, detail).with("subject", subject).with("position", found.to_string()).retry_after(1)
            }
            Refused::NotLevel { function } | Refused::NotPrepared { function, .. } => {
                Problem::new(&kinds::STATE_CONFLICT, detail).with("function", function)
            }
            Refused::VersionTaken { module, version } => {
                Problem::new(&kinds::VERSION_TAKEN, detail).with("module", module).with("version", version)
            }
            Refused::Forgotten { index, id, source_attribute } => {
                Problem::new(&kinds::ERASED, detail).with("index", index).with("id", id).with("source", source_attribute)
            }
            Refused::Control { function, .. } | Refused::Stale { function, .. } | Refused::NotRunning { function, .. } => {
                Problem::new(&kinds::CONTROL_CONFLICT, detail).with("function", function)
            }
            Refused::NotParked { function, position } => {
                Problem::new(&kinds::PARKED_CONFLICT, detail).with("function", function).with("position", position.to_string())
            }
            Refused::NotFirstParked { function, position, first } => Problem::new(&kinds::PARKED_CONFLICT, detail)
                .with("function", function)
                .with("position", position.to_string())
                .with("first", first.to_string()),
            Refused::TooManyFunctions { found, max } => Problem::new(&kinds::LIMIT_REACHED, detail).with("found", found).with("max", max),
            Refused::UnknownSchedule { function, .. } => Problem::new(&kinds::UNKNOWN_FUNCTION, detail).with("function", function),
            Refused::NoRequest(position) => {
                Problem::new(&kinds::UNKNOWN_REQUEST, format!("{detail}: `retold outbox` lists those that there are"))
                    .with("position", position.to_string())
            }
            Refused::EffectsOff => Problem::new(&kinds::CONTROL_CONFLICT, detail),
            Refused::StreamBroken => Problem::new(&kinds::CONDITION_FAILED, detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let kind = match error {
            StoreError::Full => &kinds::STORAGE_FULL,
            StoreError::Poisoned(_) => &kinds::STORAGE_FAILED,
            StoreError::Backup(_) => &kinds::BACKUP_REFUSED,
            StoreError::Disk(_)
            | StoreError::Io { .. }
            | StoreError::InUse(_)
            | StoreError::NotNext { .. }
            | StoreError::BeyondHead { .. }
            | StoreError::NotEmpty
            | StoreError::NewerFormat { .. }
            | StoreError::Damaged { .. }
            | StoreError::Derived { .. } => {
                tracing::error!(%error, "a request met a storage error");
                &kinds::STORAGE_UNREADABLE
            }
        };
        Problem::new(kind, error.to_string())
    }
}

impl From<ModuleError> for Problem {
    fn from(error: ModuleError) -> Problem {
        let detail = error.to_string();
        match error {
            _ if error.is_wrong_kind_of_file() => Problem::new(&kinds::NOT_WASM, detail),
            ModuleError::TooLarge { found, max } => {
                Problem::new(&kinds::TOO_LARGE, detail).with("limit", "module-bytes").with("found", found).with("max", max)
            }
            ModuleError::OverLimit { limit, found, max, .. } => {
                Problem::new(&kinds::MODULE_REFUSED, detail).with("limit", limit).with("found", found).with("max", max)
            }
            ModuleError::Malformed { offset, .. } => Problem::new(&kinds::MODULE_REFUSED, detail).with("offset", offset),
            ModuleError::Host(_) => Problem::new(&kinds::INTERNAL, detail),
            _ => Problem::new(&kinds::MODULE_REFUSED, detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use retold_engine::model::Position;

    use super::*;

    #[track_caller]
    fn check(error: impl Into<DriveError>, status: u16, name: &str) {
        let problem = Problem::from(error.into());
        assert_eq!((problem.kind.status, problem.kind.name), (status, name));
        assert!(problem.detail.contains(':') || problem.detail.contains(';'), "says what to do: {}", problem.detail);
    }

    #[test]
    fn every_refusal_has_its_status_and_says_what_to_do() {
        let (function, module) = ("f".to_owned(), "m".to_owned());
        check(Refused::Condition { after: Position(1), found: Position(2) }, 409, "condition-failed");
        check(Refused::Content { index: 0, id: "1".into(), source_attribute: "/s".into(), position: Position(1) }, 409, "content-conflict");
        check(Refused::Field { index: 0, field: "id", what: "has 300 bytes: at most 256".into() }, 400, "invalid-event");
        check(Refused::Field { index: 0, field: "data", what: "has 1048577 bytes: at most 1048576".into() }, 413, "too-large");
        check(Refused::TooLarge { what: "events", found: 5_000, max: 4_096 }, 413, "too-large");
        check(Refused::UnknownFunction(function.clone()), 404, "unknown-function");
        check(Refused::UnknownModule(module.clone()), 404, "unknown-module");
        check(Refused::NameTaken { function: function.clone(), owner: module.clone() }, 409, "name-taken");
        check(Refused::NotLevel { function: function.clone() }, 409, "state-conflict");
        check(Refused::VersionTaken { module, version: "1.0.0".into() }, 409, "version-taken");
        check(Refused::Control { function, why: "it is being rebuilt".into() }, 409, "control-conflict");
        let first = Position(1);
        check(Refused::NotFirstParked { function: "f".into(), position: Position(2), first }, 409, "parked-conflict");
        check(Refused::NotParked { function: "f".into(), position: Position(2) }, 409, "parked-conflict");
        check(StoreError::Full, 507, "storage-full");
        check(StoreError::Backup("the backup is cut short: use another copy of it".into()), 422, "backup-refused");
        check(StoreError::Poisoned("EIO".into()), 503, "storage-failed");
        check(ModuleError::Empty, 415, "not-wasm");
        check(ModuleError::Malformed { offset: 9, problem: "x".into() }, 422, "module-refused");
        check(DriveError::UnknownReplay("7".into()), 404, "unknown-replay");
        check(DriveError::UnknownNamespace("whatif".into()), 404, "unknown-namespace");
        let (namespace, what) = ("retold".to_owned(), "retold is behind its base: wait until it is level".to_owned());
        check(DriveError::Generation { namespace: namespace.clone(), what: what.clone() }, 409, "generation-conflict");
        check(DriveError::ReadOnly { namespace, what: what.clone() }, 409, "read-only");
        check(DriveError::DeployUnderWay { module: "m".into(), replay: "7".into() }, 409, "deploy-under-way");
        let refused = DriveError::Rehearsal { module: "m".into(), replay: "7".into(), reason: "different", what };
        check(refused, 422, "rehearsal-refused");
        check(Refused::NoRequest(Position(7)), 404, "unknown-request");
        check(DriveError::RequestHeld(Position(7)), 409, "control-conflict");
        let error = crate::drive::SecretError::Unknown("KEY".into());
        check(DriveError::Secret { function: "f".into(), error }, 503, "secret-missing");
        let message = "no key".into();
        check(DriveError::Ingress { function: "f".into(), reason: "output", message }, 500, "function-failed");
        check(DriveError::UnknownConsumer("mail".into()), 404, "unknown-consumer");
        check(DriveError::Consumer(ConsumerRefused::UnknownLease), 409, "lease-conflict");
        check(DriveError::Consumer(ConsumerRefused::NeverGiven(Position(1))), 409, "lease-conflict");
        check(DriveError::Consumer(ConsumerRefused::IsParked(Position(1))), 409, "parked-conflict");
        check(DriveError::ConsumerSettings { field: "lease", what: "is 1 ms: use more".into() }, 400, "invalid-consumer");
        check(DriveError::TooManyConsumers, 409, "limit-reached");
        let (url, reason, what) = ("http://x/".to_owned(), "refused", "nobody is there".to_owned());
        check(DriveError::EndpointRefused { url, reason, what }, 422, "endpoint-refused");
        check(DriveError::HasEndpoint("mail".into()), 409, "endpoint-conflict");
        check(DriveError::NoSpace { free_bytes: 1, needed_bytes: 2 }, 507, "storage-full");
        check(DriveError::QuotaReached { namespace: "main".into(), what: "events", max: 1 }, 507, "quota-reached");
        check(TokenRefused::Field { field: "allow", what: "is empty: a token may allow read".into() }, 400, "invalid-token");
        check(TokenRefused::Unknown("k".into()), 404, "unknown-token");
        check(TokenRefused::NoOperator { allow: "operate".into() }, 409, "no-operator");
        check(TokenRefused::TooMany, 409, "limit-reached");
        check(TokenRefused::NoLongerAdmitted, 401, "unauthenticated");
        check(DriveError::Busy, 503, "busy");
        check(DriveError::Stopping, 503, "stopping");
    }

    #[test]
    fn a_problem_is_rfc_9457_json_with_its_own_members() {
        let response = Problem::busy().with("line", 7).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let body = serde_json::to_value(Problem::busy().with("line", 7)).expect("JSON");
        assert_eq!(
            (body["type"].as_str(), body["status"].as_u64(), body["line"].as_u64()),
            (Some("urn:retold:problem:busy"), Some(503), Some(7))
        );
    }

    #[test]
    fn no_two_problems_share_a_name() {
        let names: std::collections::BTreeSet<_> = kinds::ALL.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), kinds::ALL.len());
    }
}
