//! Every table of every file, on one page. Each says who can make it again.

use redb::TableDefinition;

/// Of `head.redb`: format, identity, and the list of segments. Written at creation and by sealing.
pub const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// (first position, commit) -> commit record. Append-only until sealed. The one table of the head
/// that can't be made again.
pub const LOG: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("log");
/// Module digest -> component bytes. Can't be made again; a backup carries it.
pub const MODULES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("modules");
/// Module ordinal -> name, version, digest, manifest. Made again from the log's deployments.
pub const DEPLOYMENTS: TableDefinition<u32, &[u8]> = TableDefinition::new("deployments");
/// Function name -> what is known of it but its cursor. Made again from the log.
pub const FUNCTIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("functions");
/// Function ordinal -> (cursor, epoch). Made again from the log.
pub const CURSORS: TableDefinition<u32, (u64, u64)> = TableDefinition::new("cursors");
/// Slot (4 bytes, big-endian) and key -> value: the state of one version of a function. Made again by
/// the function from the log.
pub const STATE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("state");
/// Function ordinal and position -> parked event. Made again from the log.
pub const PARKED: TableDefinition<(u32, u64), &[u8]> = TableDefinition::new("parked");
/// Function ordinal, subject and position -> nothing: the parked events of a subject, in order.
pub const PARKED_SUBJECTS: TableDefinition<(u32, &str, u64), ()> = TableDefinition::new("parked_subjects");
/// (function ordinal, subject) -> identity of the code, position, state: what an aggregate has folded.
/// A cache: made again by folding, read by nobody but the code that made it, and free to be dropped.
pub const SNAPSHOTS: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("snapshots");
/// Event type -> JSON Schema that was uploaded. Made again from the log.
pub const SCHEMAS: TableDefinition<&str, &str> = TableDefinition::new("schemas");
/// (due, function ordinal, key) -> position of the entry that set the timer. Made again from the log.
pub const TIMERS: TableDefinition<(u64, u32, &str), u64> = TableDefinition::new("timers");
/// (function ordinal, key) -> (due, position of the entry that set the timer). Made again from the log.
pub const TIMER_KEYS: TableDefinition<(u32, &str), (u64, u64)> = TableDefinition::new("timer_keys");
/// (function ordinal, key) -> when the schedule comes next, and what that was worked out from. Made again
/// from the log.
pub const SCHEDULES: TableDefinition<(u32, &str), &[u8]> = TableDefinition::new("schedules");
/// Position of a request without an answer -> what is known of it. Made again from the log, but for attempts.
pub const OUTBOX: TableDefinition<u64, &[u8]> = TableDefinition::new("outbox");
/// (function ordinal, position of the cause, id) -> module ordinal and output that is held. Made again from
/// the log.
pub const HELD: TableDefinition<(u32, u64, &str), &[u8]> = TableDefinition::new("held");
/// Function ordinal -> timers, requests that wait, requests and outputs that are held. Made again from the
/// tables above.
pub const OUTSIDE_COUNTS: TableDefinition<u32, (u64, u64, u64, u64)> = TableDefinition::new("outside_counts");
/// Keyed hash of a source and id -> nothing: an event that was erased and is never taken again. Made again
/// from the log.
pub const FORGOTTEN: TableDefinition<[u8; 16], ()> = TableDefinition::new("forgotten");

/// Of a segment: format, range, chain ends. The tables of a segment are written once.
pub const SEGMENT_META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Number of a chunk -> that part of the stream of records. Chunks just fill a power of two of pages.
pub const SEGMENT_CHUNKS: TableDefinition<u64, &[u8]> = TableDefinition::new("chunks");
/// First position of the first record that begins in a chunk -> its offset in the stream.
pub const SEGMENT_OFFSETS: TableDefinition<u64, u64> = TableDefinition::new("offsets");
/// First hash -> sorted (hash of source and id, place in the segment).
pub const SEGMENT_IDS: TableDefinition<u64, &[u8]> = TableDefinition::new("ids");
/// (first hash, first position) -> sorted posting lists of subjects, types and tags.
pub const SEGMENT_TERMS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("terms");
/// Event type, or byte 1 and a command type -> (count, first, last position).
pub const SEGMENT_TYPES: TableDefinition<&str, (u64, u64, u64)> = TableDefinition::new("types");
/// Number of a part -> that part of the filter over the ids.
pub const SEGMENT_FILTER: TableDefinition<u64, &[u8]> = TableDefinition::new("filter");

/// Of a view's file: format, whose rows of which log, and the cursor. All of the file is made again from
/// the log.
pub const VIEW_META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Key, with its unit before it where the view is split -> value, in the view's own form.
pub const VIEW_ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");

/// Of the map of cursors of an older generation: format, which two logs, how far it has come. All of the
/// file is made again by comparing the two logs.
pub const MAP_META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Position in the older log -> the newer log up to here holds nothing, differences aside, from beyond it.
pub const MAP_MARKS: TableDefinition<u64, u64> = TableDefinition::new("marks");
/// Position in the newer log -> where the older log has the same event, far from there; 0 for nowhere,
/// the largest number for what the newer log says of itself.
pub const MAP_DIFFERENCES: TableDefinition<u64, u64> = TableDefinition::new("differences");

/// Of `consumers.redb`: format, and the generation of the log whose positions it names. Nothing of the file
/// can be made again.
pub const CONSUMER_META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Consumer -> its settings and how far it has read.
pub const CONSUMERS: TableDefinition<&str, &[u8]> = TableDefinition::new("consumers");
/// (consumer, position) -> an event that it has read and not acknowledged.
pub const CONSUMER_ENTRIES: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("entries");
/// (consumer, number) -> a lease; those that are over are kept for a while.
pub const CONSUMER_LEASES: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("leases");

/// Of `catalogue.redb`: namespace -> its folder, when it was made, its generation and what it is.
pub const NAMESPACES: TableDefinition<&str, &[u8]> = TableDefinition::new("namespaces");
/// Namespace -> number of the last folder that it was given: none is given twice.
pub const FOLDERS: TableDefinition<&str, u64> = TableDefinition::new("folders");
/// Access token's public id -> its name, the digest of its secret, what it may do and until when. Made with the
/// Of the catalogue: the quotas of names that no namespace has any more.
pub const QUOTAS: TableDefinition<&str, &[u8]> = TableDefinition::new("quotas");
/// first token. Can't be made again.
pub const TOKENS: TableDefinition<&str, &[u8]> = TableDefinition::new("tokens");

/// Format of the files themselves; a newer one is refused.
pub const FILE_FORMAT: u32 = 1;
/// Of the head of a fork: a host that knows no caps would see what is not the fork's.
pub const FORKED_HEAD_FORMAT: u32 = 2;
/// Of a catalogue with tokens: a host that knows none would let everybody in.
pub const CATALOGUE_WITH_TOKENS_FORMAT: u32 = 2;
