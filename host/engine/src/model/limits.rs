//! Every limit on one page. Defaults of the operator's settings stand here too; the compiler checks
//! how they relate.

/// Data of one event.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Events in one request, and so in one atomic append.
pub const EVENTS_PER_APPEND_MAX: usize = 4_096;
/// Data and attributes of one atomic append, together.
pub const APPEND_BYTES_MAX: usize = 8 << 20;
/// Where the writer closes a group and commits.
pub const EVENTS_PER_COMMIT_MAX: usize = 8_192;
pub const COMMIT_BYTES_MAX: usize = 4 << 20;

pub const ID_BYTES_MAX: usize = 256;
pub const SOURCE_BYTES_MAX: usize = 512;
pub const TYPE_BYTES_MAX: usize = 256;
pub const SUBJECT_BYTES_MAX: usize = 512;
pub const CONTENT_TYPE_BYTES_MAX: usize = 128;
pub const NAME_BYTES_MAX: usize = 64;
pub const TAGS_PER_EVENT_MAX: usize = 16;
pub const TAG_BYTES_MAX: usize = 128;
pub const EXTENSIONS_PER_EVENT_MAX: usize = 32;
pub const EXTENSION_BYTES_MAX: usize = 4 << 10;
/// Types, subjects or tags named in one append condition or read filter.
pub const FILTER_TERMS_MAX: usize = 64;

/// Chain of causes; a longer one is parked with the reason `hops`. It begins anew where a timer is due later than
/// the event was that set it.
pub const HOPS_MAX: u8 = 64;

/// Events handed to a function in one call, and their bytes.
pub const EVENTS_PER_BATCH_MAX: usize = 1_024;
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Outputs of one call, and their bytes.
pub const OUTPUTS_PER_CALL_MAX: usize = 4_096;
pub const OUTPUT_BYTES_PER_CALL_MAX: usize = 8 << 20;

/// Of a timer, and of a schedule.
pub const TIMER_KEY_BYTES_MAX: usize = 256;
/// Of a request to the outside.
pub const REQUEST_URL_BYTES_MAX: usize = 2 << 10;
pub const REQUEST_HEADERS_BYTES_MAX: usize = 3 << 10;
/// Attempts at one that fails, and how long it may wait for the last of them: then it has failed for good.
pub const REQUEST_ATTEMPTS_MAX: u32 = 12;
pub const REQUEST_SECONDS_MAX: u32 = 24 * 3_600;
/// The body of one that comes to an ingress function.
pub const INGRESS_BYTES_MAX: usize = 8 << 20;

/// What a query answers.
pub const QUERY_PAYLOAD_BYTES_MAX: usize = 8 << 20;
/// Code, message and data of one rejection, together.
pub const REJECTION_BYTES_MAX: usize = 64 << 10;

pub const STATE_KEY_BYTES_MAX: usize = 512;
pub const STATE_VALUE_BYTES_MAX: usize = 1 << 20;
pub const STATE_WRITES_PER_CALL_MAX: usize = 16_384;
pub const STATE_BYTES_PER_CALL_MAX: usize = 16 << 20;
pub const STATE_SCAN_MAX: usize = 1_000;

/// Events of a subject that are folded again at most, after a restart: beyond, its state is kept.
pub const SNAPSHOT_DISTANCE: u64 = 256;

/// Versions of a function that ran and are kept for a rollback, beside the live one.
pub const VERSIONS_KEPT: usize = 3;
/// Candidates of a function whose state is being made ready.
pub const CANDIDATES_KEPT: usize = 2;

/// One JSON Schema, and how many may be uploaded beside those of the modules.
pub const SCHEMA_BYTES_MAX: usize = 256 << 10;
pub const SCHEMAS_PER_NAMESPACE_MAX: usize = 4_096;

pub const FUEL_PER_CALL_MAX: u64 = 2_000_000_000;
pub const GUEST_MEMORY_BYTES_MAX: usize = 64 << 20;
pub const ATTEMPTS_MAX: u32 = 100;
pub const ATTEMPTS_DEFAULT: u32 = 4;
/// First pause before an event is tried again; it doubles with each attempt.
pub const RETRY_DELAY_MS_MIN: u64 = 50;
pub const RETRY_DELAY_MS_MAX: u64 = 30_000;
/// Events in a row that a function may park after their last attempt, none handled between. After each further one it
/// pauses, as between attempts.
pub const FAULTS_IN_A_ROW_MAX: u32 = 32;

/// State that one function may come to in a replay, and events that may fail in one before it ends.
pub const SHADOW_BYTES_MAX: u64 = 4 << 30;
pub const REPLAY_FAILURES_MAX: u64 = 1_000;

pub const CONSUMERS_PER_NAMESPACE_MAX: usize = 256;
/// Events that a consumer has read and not acknowledged, what it parked aside: beyond, it reads no further.
pub const CONSUMER_UNACKNOWLEDGED_MAX: usize = 4_096;
/// Events that a consumer has parked: beyond, it reads no further.
pub const CONSUMER_PARKED_MAX: usize = 10_000;
/// Leases that are over and still known, so that a late word about one can be answered.
pub const CONSUMER_LEASES_KEPT: usize = 1_024;
pub const CONSUMER_MEMBERS_MAX: usize = 1_024;
pub const CONSUMER_LEASE_MS_MIN: u64 = 100;
pub const CONSUMER_LEASE_MS_DEFAULT: u64 = 30_000;
pub const CONSUMER_LEASE_MS_MAX: u64 = 12 * 3_600_000;
pub const CONSUMER_EXPIRES_MS_MIN: u64 = 1_000;
pub const CONSUMER_EXPIRES_MS_MAX: u64 = 90 * 24 * 3_600_000;
/// Of a reason that a member gives.
pub const CONSUMER_REASON_BYTES_MAX: usize = 1 << 10;
/// Why parked events are skipped, in an operator's words.
pub const SKIP_REASON_BYTES_MAX: usize = 1 << 10;

pub const MODULE_BYTES_MAX: usize = 16 << 20;
pub const FUNCTIONS_PER_MODULE_MAX: usize = 64;
pub const FUNCTIONS_PER_NAMESPACE_MAX: usize = 1_024;
pub const NAMESPACES_MAX: usize = 64;
/// Access tokens of a host, expired ones included.
pub const TOKENS_MAX: usize = 1_000;

/// Where a retelling closes a record: after so many source events, or beyond so many bytes. Part of what
/// makes two retellings the same, byte by byte.
pub const RETOLD_UNITS_PER_RECORD: usize = 256;
pub const RETOLD_BYTES_PER_RECORD: usize = 256 << 10;
/// Where a step of a retelling ends, at the next border of a record.
pub const RETOLD_BYTES_PER_STEP: usize = 16 << 20;

/// The unsealed tail of the log: sealed into a segment beyond either.
pub const TAIL_EVENTS_MAX: usize = 128 << 10;
pub const TAIL_BYTES_MAX: usize = 48 << 20;
/// Segments of one size that are merged into one of the next.
pub const SEGMENTS_PER_TIER: usize = 8;

const _: () = {
    assert!(EVENTS_PER_APPEND_MAX <= EVENTS_PER_COMMIT_MAX);
    assert!(EVENT_BYTES_MAX < APPEND_BYTES_MAX);
    assert!(OUTPUTS_PER_CALL_MAX <= EVENTS_PER_COMMIT_MAX);
    assert!(EVENTS_PER_COMMIT_MAX < TAIL_EVENTS_MAX);
    assert!(COMMIT_BYTES_MAX < TAIL_BYTES_MAX);
    assert!(ATTEMPTS_DEFAULT <= ATTEMPTS_MAX);
};
