//! Every problem that this host can answer, on one page. A `type` never changes its meaning.

/// What went wrong, as a client's code tells it apart: RFC 9457's `type`, `title` and `status`.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The last part of the `type`, `urn:retold:problem:NAME`.
    pub name: &'static str,
    pub title: &'static str,
    pub status: u16,
}

macro_rules! kinds {
    ($($constant:ident $status:literal $name:literal $title:literal)*) => {
        $(pub const $constant: Kind = Kind { name: $name, title: $title, status: $status };)*
        /// All of them, by status.
        #[cfg(test)]
        pub const ALL: &[&Kind] = &[$(&$constant),*];
    };
}

kinds! {
    MALFORMED_REQUEST     400 "malformed-request"      "The request can't be read"
    INVALID_PARAMETER     400 "invalid-parameter"      "A parameter is not as it should be"
    INVALID_EVENT         400 "invalid-event"          "An event is not as it should be"
    INVALID_CONSUMER      400 "invalid-consumer"       "A consumer can't be so"
    INVALID_NAME          400 "invalid-name"           "The name can't be used"
    INVALID_TOKEN         400 "invalid-token"          "A token can't be so"
    TLS_NEEDED            400 "tls-needed"             "The port speaks TLS"
    UNAUTHENTICATED       401 "unauthenticated"        "An access token is needed"
    TOKEN_EXPIRED         401 "token-expired"          "The access token has expired"
    FORBIDDEN             403 "forbidden"              "The access token doesn't allow it"
    FOREIGN_HOST          403 "foreign-host"           "The request is for another host"
    FOREIGN_ORIGIN        403 "foreign-origin"         "A page of another site sent the request"
    UNKNOWN_ROUTE         404 "unknown-route"          "There is nothing at this path"
    UNKNOWN_NAMESPACE     404 "unknown-namespace"      "There is no such namespace"
    UNKNOWN_CONSUMER      404 "unknown-consumer"       "There is no such consumer"
    UNKNOWN_EVENT         404 "unknown-event"          "There is no such event"
    UNKNOWN_MODULE        404 "unknown-module"         "There is no such module"
    UNKNOWN_FUNCTION      404 "unknown-function"       "There is no such function"
    UNKNOWN_COMMAND       404 "unknown-command"        "No aggregate decides such a command"
    UNKNOWN_SUBJECT       404 "unknown-subject"        "The aggregate knows nothing of the subject"
    UNKNOWN_ROW           404 "unknown-row"            "The view has no such row"
    UNKNOWN_REPLAY        404 "unknown-replay"         "There is no such replay"
    UNKNOWN_REQUEST       404 "unknown-request"        "There is no such request without an answer"
    UNKNOWN_TOKEN         404 "unknown-token"          "There is no such token"
    UNKNOWN_TYPE          404 "unknown-type"           "There is no such type"
    METHOD_NOT_ALLOWED    405 "method-not-allowed"     "The path doesn't take this method"
    BODY_TIMEOUT          408 "body-timeout"           "The request's body came too slowly"
    CONTENT_CONFLICT      409 "content-conflict"       "The id stands for another event already"
    CONDITION_FAILED      409 "condition-failed"       "An event that the condition excludes has come"
    SUBJECT_CONFLICT      409 "subject-conflict"       "Others keep changing the subject"
    COMMAND_TAKEN         409 "command-taken"          "Another aggregate decides the command"
    SCHEMA_CONFLICT       409 "schema-conflict"        "The schema doesn't fit what is there"
    UPCASTER_CONFLICT     409 "upcaster-conflict"      "The upcasters don't fit together"
    NAME_TAKEN            409 "name-taken"             "The name or version stands for other code"
    STATE_CONFLICT        409 "state-conflict"         "The function's state is not ready for the code"
    CONTROL_CONFLICT      409 "control-conflict"       "The function can't be changed so now"
    LEASE_CONFLICT        409 "lease-conflict"         "The lease is not for this, or over"
    PARKED_CONFLICT       409 "parked-conflict"        "The event is not set aside so"
    ENDPOINT_CONFLICT     409 "endpoint-conflict"      "The host reads for the consumer itself"
    VERSION_TAKEN         409 "version-taken"          "Other code has this version"
    DEPLOY_UNDER_WAY      409 "deploy-under-way"       "A deployment is under way"
    GENERATION_CONFLICT   409 "generation-conflict"    "The namespace is not one for this"
    READ_ONLY             409 "read-only"              "The namespace takes no writes"
    NO_OPERATOR           409 "no-operator"            "Nobody could operate the host any more"
    LIMIT_REACHED         409 "limit-reached"          "There are as many as there may be"
    ERASED                410 "erased"                 "The event was erased for good"
    TOO_LARGE             413 "too-large"              "The request is too large"
    UNSUPPORTED_MEDIA     415 "unsupported-media-type" "The body is of a kind that is not taken here"
    NOT_WASM              415 "not-wasm"               "The upload is not a WebAssembly file"
    BACKUP_REFUSED        422 "backup-refused"         "The backup can't be used"
    MODULE_REFUSED        422 "module-refused"         "The module can't be used"
    ENDPOINT_REFUSED      422 "endpoint-refused"       "Events can't be sent to the endpoint"
    REHEARSAL_REFUSED     422 "rehearsal-refused"      "The rehearsal found a difference"
    SCHEMA_VIOLATION      422 "schema-violation"       "The data doesn't fit its schema"
    INVALID_SCHEMA        422 "invalid-schema"         "The schema can't be used"
    COMMAND_REJECTED      422 "command-rejected"       "The command was refused"
    QUERY_REJECTED        422 "query-rejected"         "The query was refused"
    TOO_MANY_FAILURES     429 "too-many-failures"      "Too many requests without a token that counts"
    RATE_REACHED          429 "rate-reached"           "Too many requests in too short a time"
    FUNCTION_FAILED       500 "function-failed"        "The function's code failed"
    INTERNAL              500 "internal"               "The host failed"
    STORAGE_UNREADABLE    500 "storage-unreadable"     "Storage can't be read"
    BUSY                  503 "busy"                   "The host can't do it at this moment"
    SECRET_MISSING        503 "secret-missing"         "A secret that the function needs isn't there"
    VIEW_BEHIND           503 "view-behind"            "The view has not come so far"
    STORAGE_FAILED        503 "storage-failed"         "Storage failed; nothing more is written"
    STOPPING              503 "stopping"               "The host is shutting down"
    QUOTA_REACHED         507 "quota-reached"          "The namespace has all that it may"
    STORAGE_FULL          507 "storage-full"           "The disk is full"
}
