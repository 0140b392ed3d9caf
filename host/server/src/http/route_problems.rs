//! Which problems a request of each kind may meet, beside those that any may.

use super::problem_kinds::{self as kinds, Kind};

pub const NAMESPACE: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE];
pub const EVENT: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_EVENT];
pub const MODULE: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_MODULE];
pub const REMOVE: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_MODULE,
    &kinds::UPCASTER_CONFLICT,
    &kinds::STATE_CONFLICT,
    &kinds::DEPLOY_UNDER_WAY,
    &kinds::REHEARSAL_REFUSED,
    &kinds::READ_ONLY,
];
pub const REPLAY: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_REPLAY];
pub const REPLAY_CONTROL: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_REPLAY, &kinds::GENERATION_CONFLICT];
pub const GENERATION: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::GENERATION_CONFLICT];
pub const FUNCTION: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION];
pub const VERIFY: &[&Kind] =
    &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION, &kinds::READ_ONLY, &kinds::MODULE_REFUSED, &kinds::REHEARSAL_REFUSED];
pub const CONTROL: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION, &kinds::CONTROL_CONFLICT, &kinds::READ_ONLY];
pub const RELEASE_PARKED: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_FUNCTION,
    &kinds::CONTROL_CONFLICT,
    &kinds::PARKED_CONFLICT,
    &kinds::READ_ONLY,
    &kinds::TOO_LARGE,
    &kinds::BODY_TIMEOUT,
];
pub const APPEND: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::QUOTA_REACHED,
    &kinds::INVALID_EVENT,
    &kinds::CONTENT_CONFLICT,
    &kinds::CONDITION_FAILED,
    &kinds::READ_ONLY,
    &kinds::ERASED,
    &kinds::SCHEMA_VIOLATION,
    &kinds::TOO_LARGE,
    &kinds::UNSUPPORTED_MEDIA,
    &kinds::BODY_TIMEOUT,
];
pub const COMMAND: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::QUOTA_REACHED,
    &kinds::UNKNOWN_COMMAND,
    &kinds::INVALID_EVENT,
    &kinds::CONTENT_CONFLICT,
    &kinds::SUBJECT_CONFLICT,
    &kinds::CONTROL_CONFLICT,
    &kinds::READ_ONLY,
    &kinds::ERASED,
    &kinds::COMMAND_REJECTED,
    &kinds::SCHEMA_VIOLATION,
    &kinds::FUNCTION_FAILED,
    &kinds::TOO_LARGE,
    &kinds::UNSUPPORTED_MEDIA,
    &kinds::BODY_TIMEOUT,
];
pub const AGGREGATE: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION, &kinds::UNKNOWN_SUBJECT, &kinds::FUNCTION_FAILED];
pub const INGRESS: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::QUOTA_REACHED,
    &kinds::UNKNOWN_FUNCTION,
    &kinds::CONTENT_CONFLICT,
    &kinds::READ_ONLY,
    &kinds::ERASED,
    &kinds::SCHEMA_VIOLATION,
    &kinds::FUNCTION_FAILED,
    &kinds::SECRET_MISSING,
    &kinds::TOO_LARGE,
    &kinds::UNSUPPORTED_MEDIA,
    &kinds::BODY_TIMEOUT,
];
pub const OUTBOX: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_REQUEST, &kinds::CONTROL_CONFLICT, &kinds::READ_ONLY];
pub const VIEW: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION, &kinds::VIEW_BEHIND];
pub const ROW: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION, &kinds::UNKNOWN_ROW, &kinds::VIEW_BEHIND];
pub const QUERY: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_FUNCTION,
    &kinds::VIEW_BEHIND,
    &kinds::QUERY_REJECTED,
    &kinds::FUNCTION_FAILED,
    &kinds::TOO_LARGE,
    &kinds::UNSUPPORTED_MEDIA,
    &kinds::BODY_TIMEOUT,
];
pub const TYPE: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_TYPE];
pub const REMOVE_SCHEMA: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_TYPE, &kinds::READ_ONLY];
pub const SET_SCHEMA: &[&Kind] =
    &[&kinds::UNKNOWN_NAMESPACE, &kinds::INVALID_SCHEMA, &kinds::SCHEMA_CONFLICT, &kinds::READ_ONLY, &kinds::TOO_LARGE];
pub const DEPLOY: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::COMMAND_TAKEN,
    &kinds::SCHEMA_CONFLICT,
    &kinds::UPCASTER_CONFLICT,
    &kinds::INVALID_SCHEMA,
    &kinds::NOT_WASM,
    &kinds::MODULE_REFUSED,
    &kinds::NAME_TAKEN,
    &kinds::STATE_CONFLICT,
    &kinds::VERSION_TAKEN,
    &kinds::DEPLOY_UNDER_WAY,
    &kinds::REHEARSAL_REFUSED,
    &kinds::READ_ONLY,
    &kinds::LIMIT_REACHED,
    &kinds::TOO_LARGE,
    &kinds::UNSUPPORTED_MEDIA,
];
pub const ROLLBACK: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_MODULE,
    &kinds::COMMAND_TAKEN,
    &kinds::SCHEMA_CONFLICT,
    &kinds::UPCASTER_CONFLICT,
    &kinds::MODULE_REFUSED,
    &kinds::NAME_TAKEN,
    &kinds::STATE_CONFLICT,
    &kinds::DEPLOY_UNDER_WAY,
    &kinds::REHEARSAL_REFUSED,
    &kinds::READ_ONLY,
];
pub const CONSUMER: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_CONSUMER, &kinds::READ_ONLY];
pub const SET_CONSUMER: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::INVALID_NAME,
    &kinds::INVALID_CONSUMER,
    &kinds::ENDPOINT_REFUSED,
    &kinds::LIMIT_REACHED,
    &kinds::READ_ONLY,
    &kinds::TOO_LARGE,
    &kinds::BODY_TIMEOUT,
];
pub const FETCH: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_CONSUMER,
    &kinds::INVALID_CONSUMER,
    &kinds::ENDPOINT_CONFLICT,
    &kinds::LIMIT_REACHED,
    &kinds::READ_ONLY,
    &kinds::TOO_LARGE,
    &kinds::BODY_TIMEOUT,
];
pub const LEASE: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_CONSUMER,
    &kinds::INVALID_CONSUMER,
    &kinds::LEASE_CONFLICT,
    &kinds::PARKED_CONFLICT,
    &kinds::ENDPOINT_CONFLICT,
    &kinds::READ_ONLY,
    &kinds::TOO_LARGE,
    &kinds::BODY_TIMEOUT,
];
pub const RELEASE: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_CONSUMER,
    &kinds::PARKED_CONFLICT,
    &kinds::READ_ONLY,
    &kinds::TOO_LARGE,
    &kinds::BODY_TIMEOUT,
];
pub const MAKE: &[&Kind] = &[
    &kinds::INVALID_NAME,
    &kinds::UNKNOWN_NAMESPACE,
    &kinds::UNKNOWN_MODULE,
    &kinds::GENERATION_CONFLICT,
    &kinds::MODULE_REFUSED,
    &kinds::NOT_WASM,
    &kinds::TOO_LARGE,
    &kinds::BODY_TIMEOUT,
];
pub const BACKUP: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::GENERATION_CONFLICT, &kinds::BACKUP_REFUSED];
pub const RESTORE: &[&Kind] = &[&kinds::INVALID_NAME, &kinds::GENERATION_CONFLICT, &kinds::BACKUP_REFUSED, &kinds::BODY_TIMEOUT];
