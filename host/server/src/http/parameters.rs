//! Every query parameter, on one page.

/// A query parameter, as a route takes it and OpenAPI tells it.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub form: Form,
    pub about: &'static str,
}

#[derive(Debug)]
pub enum Form {
    /// A position, or a cursor that the host gave.
    Cursor,
    /// Texts set apart by commas.
    List,
    Number {
        max: u64,
        default: u64,
    },
    /// Seconds, or a number with `ms`, `s` or `m`.
    Duration {
        default: &'static str,
    },
    Text,
    Choice {
        of: &'static [&'static str],
        default: &'static str,
    },
    /// A number without a default.
    Count {
        max: u64,
    },
}

/// Events of a JSON page.
pub const PAGE_EVENTS_MAX: u64 = 10_000;
pub const PAGE_EVENTS_DEFAULT: u64 = 100;
/// Events that a consumer's member fetches at once.
pub const FETCH_EVENTS_MAX: u64 = 1_000;
pub const FETCH_EVENTS_DEFAULT: u64 = 100;
/// Parked events of a page.
pub const PARKED_MAX: u64 = 1_000;
pub const PARKED_DEFAULT: u64 = 100;
/// Requests of a page, and held outputs.
pub const OUTBOX_MAX: u64 = 1_000;
pub const OUTBOX_DEFAULT: u64 = 100;
/// Timers of a page.
pub const TIMERS_MAX: u64 = 1_000;
pub const TIMERS_DEFAULT: u64 = 100;
/// Events that a search for effects looks through.
pub const SEARCH_EVENTS_MAX: u64 = 100_000_000;
pub const SEARCH_EVENTS_DEFAULT: u64 = 100_000;
/// How long an answer may wait for something to happen.
pub const WAIT_SECONDS_MAX: u64 = 300;
pub const HANDLED_SECONDS_DEFAULT: u64 = 30;
/// How long an upload or a comparison is waited for before it is answered as under way.
pub const DEPLOY_SECONDS_DEFAULT: u64 = 30;

/// How long the flow of a log is counted before it is answered.
pub const FLOW_SECONDS_DEFAULT: u64 = 10;

/// Rows of a page.
pub const ROWS_MAX: u64 = 10_000;
pub const ROWS_DEFAULT: u64 = 100;
/// Lines of a page of a function's log.
pub const LOG_LINES_MAX: u64 = 1_000;
pub const LOG_LINES_DEFAULT: u64 = 100;

pub const AFTER: Parameter =
    Parameter { name: "after", form: Form::Cursor, about: "Begin behind this place. Without it, at the beginning." };
pub const TYPES: Parameter = Parameter {
    name: "types",
    form: Form::List,
    about: "Only these types; `order.*` matches all that begin so; `*` all but the host's own.",
};
pub const SUBJECTS: Parameter = Parameter { name: "subjects", form: Form::List, about: "Only these subjects." };
pub const TAGS: Parameter = Parameter { name: "tags", form: Form::List, about: "Only events with all of these tags." };
pub const LIMIT: Parameter = Parameter {
    name: "limit",
    form: Form::Number { max: PAGE_EVENTS_MAX, default: PAGE_EVENTS_DEFAULT },
    about: "At most so many events. Streams have no limit of their own and take any.",
};
pub const WAIT_FOR_EVENTS: Parameter = Parameter {
    name: "wait",
    form: Form::Duration { default: "0s" },
    about: "If there is no event yet, wait so long for one (a page only; a stream of `text/event-stream` waits anyway).",
};

pub const WAIT: Parameter = Parameter {
    name: "wait",
    form: Form::Choice { of: &["durable", "handled"], default: "durable" },
    about: "What to wait for: that the events are on disk, or also that every handler has handled them and what they led to. Views are not waited for: read them with `min-position`.",
};
pub const TIMEOUT: Parameter = Parameter {
    name: "timeout",
    form: Form::Duration { default: "30s" },
    about: "How long `wait=handled` waits at most; then the answer is 202.",
};
pub const IF_NONE_AFTER: Parameter = Parameter {
    name: "if-none-after",
    form: Form::Cursor,
    about: "Append only if no event came behind this place that matches the lists below; without lists, none at all. Else 409.",
};
pub const IF_NONE_TYPES: Parameter =
    Parameter { name: "if-none-types", form: Form::List, about: "Of the condition: any of these types, exactly." };
pub const IF_NONE_SUBJECTS: Parameter =
    Parameter { name: "if-none-subjects", form: Form::List, about: "Of the condition: any of these subjects." };
pub const IF_NONE_TAGS: Parameter = Parameter { name: "if-none-tags", form: Form::List, about: "Of the condition: all of these tags." };

pub const SEARCH_LIMIT: Parameter = Parameter {
    name: "limit",
    form: Form::Number { max: SEARCH_EVENTS_MAX, default: SEARCH_EVENTS_DEFAULT },
    about: "How many events behind this one are searched for its effects.",
};
pub const PARKED_LIMIT: Parameter =
    Parameter { name: "limit", form: Form::Number { max: PARKED_MAX, default: PARKED_DEFAULT }, about: "At most so many parked events." };
pub const OUTBOX_LIMIT: Parameter =
    Parameter { name: "limit", form: Form::Number { max: OUTBOX_MAX, default: OUTBOX_DEFAULT }, about: "At most so many." };
pub const AFTER_HELD: Parameter =
    Parameter { name: "after-key", form: Form::Text, about: "Begin behind this one: the `next` of the page before." };
pub const OF_FUNCTION: Parameter = Parameter { name: "function", form: Form::Text, about: "Only those that this function made." };
pub const TO_HOST: Parameter =
    Parameter { name: "host", form: Form::Text, about: "Only those to hosts that begin so; a port is part of the host." };
pub const OUTBOX_STATE: Parameter = Parameter {
    name: "state",
    form: Form::Choice { of: &["all", "waiting", "held"], default: "all" },
    about: "Those that wait to be sent or for their answer, or those that are held back.",
};
pub const TIMERS_LIMIT: Parameter =
    Parameter { name: "limit", form: Form::Number { max: TIMERS_MAX, default: TIMERS_DEFAULT }, about: "At most so many timers." };
pub const TIMERS_OF: Parameter =
    Parameter { name: "function", form: Form::Text, about: "Only those of this function, in the order of their keys." };
pub const AFTER_TIMER: Parameter =
    Parameter { name: "after", form: Form::Text, about: "Begin behind this timer: the `next` of the page before." };
pub const TO: Parameter =
    Parameter { name: "to", form: Form::Cursor, about: "The function reads again everything behind this place. Instead of the body." };

pub const UPCAST: Parameter = Parameter {
    name: "upcast",
    form: FLAG,
    about: "Old events in their newest form, as functions read them; `types` are those of that form.",
};

pub const COMMAND_SUBJECT: Parameter =
    Parameter { name: "subject", form: Form::Text, about: "What the command is about, if the body doesn't say." };
pub const COMMAND_ID: Parameter = Parameter {
    name: "id",
    form: Form::Text,
    about: "Names the command: the same id again gets the first answer. Without one, each request is a command of its own.",
};
pub const COMMAND_SOURCE: Parameter = Parameter { name: "source", form: Form::Text, about: "Who sends it; / if nothing says." };
pub const COMMAND_TIME: Parameter =
    Parameter { name: "time", form: Form::Text, about: "When it was given, in RFC 3339; now if nothing says." };

pub const AT: Parameter = Parameter { name: "at", form: Form::Cursor, about: "As it was at this place; now, without it." };
pub const MIN_POSITION: Parameter =
    Parameter { name: "min-position", form: Form::Cursor, about: "Wait until the view has come so far: a writer reads what it wrote." };
pub const MIN_POSITION_TIMEOUT: Parameter = Parameter {
    name: "timeout",
    form: Form::Duration { default: "5s" },
    about: "How long `min-position` waits at most; then the answer is 503.",
};
pub const DECLARED: Parameter = Parameter {
    name: "declared",
    form: FLAG,
    about: "Only what is declared: nobody counts who made what, for which the log is read through the first time.",
};
pub const FLOW_TIMEOUT: Parameter = Parameter {
    name: "timeout",
    form: Form::Duration { default: "10s" },
    about: "How long to count at most; the answer says how far that came, and the next request goes on from there.",
};
pub const PREFIX: Parameter = Parameter { name: "prefix", form: Form::Text, about: "Only rows whose key begins so." };
pub const AFTER_KEY: Parameter =
    Parameter { name: "after-key", form: Form::Text, about: "Begin behind this key: the `next` of the page before." };
pub const ROWS: Parameter =
    Parameter { name: "limit", form: Form::Number { max: ROWS_MAX, default: ROWS_DEFAULT }, about: "At most so many rows." };
pub const QUERY_NAME: Parameter = Parameter { name: "name", form: Form::Text, about: "Which of the view's queries." };
pub const AFTER_LINE: Parameter =
    Parameter { name: "after-line", form: Form::Text, about: "Begin behind the line of this number. Without it, with the last lines." };
pub const LOG_LEVEL: Parameter = Parameter {
    name: "level",
    form: Form::Choice { of: &["trace", "debug", "info", "warn", "error"], default: "trace" },
    about: "Only lines of this level and above.",
};
pub const LOG_LIMIT: Parameter =
    Parameter { name: "limit", form: Form::Number { max: LOG_LINES_MAX, default: LOG_LINES_DEFAULT }, about: "At most so many lines." };

const FLAG: Form = Form::Choice { of: &["true", "false"], default: "false" };

pub const HISTORY: Parameter =
    Parameter { name: "history", form: FLAG, about: "Every version that was ever deployed, and what became of it." };
pub const REHEARSE: Parameter = Parameter {
    name: "rehearse",
    form: Form::Choice { of: &["first", "only", "skip"], default: "first" },
    about: "Hold what the module makes of history against what is recorded: first, and then it takes over; only, and nothing is changed; or not at all.",
};
pub const REHEARSE_BACK: Parameter = Parameter {
    name: "rehearse",
    form: Form::Choice { of: &["first", "only", "skip"], default: "skip" },
    about: "Hold what the version makes of history against what is recorded: first, only, or not at all.",
};
pub const EXPECT_SAME: Parameter =
    Parameter { name: "expect-same", form: FLAG, about: "Refuse the module if it makes anything else than what is recorded." };
pub const BACKFILL: Parameter = Parameter { name: "backfill", form: FLAG, about: "Append, once, the outputs that history lacks." };
pub const SEND: Parameter = Parameter {
    name: "send",
    form: FLAG,
    about: "Commands, timers and requests that functions make of events from before their first deployment take effect. Without it they are held, and listed.",
};
pub const SINCE: Parameter = Parameter { name: "since", form: Form::Cursor, about: "Compare from behind this place on." };
pub const LAST: Parameter = Parameter { name: "last", form: Form::Count { max: u64::MAX }, about: "Compare the last so many positions." };
pub const SAMPLE: Parameter =
    Parameter { name: "sample", form: Form::Count { max: u32::MAX as u64 }, about: "Compare one in so many subjects." };
pub const BUDGET: Parameter = Parameter {
    name: "budget",
    form: Form::Count { max: 100 },
    about: "Percent of a processor's time that the replay may take; without it, what live work leaves.",
};
pub const REPLAY_TIMEOUT: Parameter = Parameter {
    name: "timeout",
    form: Form::Duration { default: "30s" },
    about: "How long to wait for the end of it at most; then the answer is 202, and it goes on.",
};
/// What an upload takes.
pub const DEPLOY_PARAMETERS: &[Parameter] = &[REHEARSE, EXPECT_SAME, BACKFILL, SEND, SINCE, LAST, SAMPLE, BUDGET, REPLAY_TIMEOUT];
pub const VERIFIED_FUNCTION: Parameter = Parameter { name: "function", form: Form::Text, about: "Only this function." };
/// What a verification takes.
pub const VERIFY_PARAMETERS: &[Parameter] = &[VERIFIED_FUNCTION, BUDGET, REPLAY_TIMEOUT];
/// What a removal takes.
pub const REMOVE_PARAMETERS: &[Parameter] = &[BUDGET, REPLAY_TIMEOUT];
pub const ROLLBACK_PARAMETERS: &[Parameter] = &[REHEARSE_BACK, EXPECT_SAME, BACKFILL, SINCE, LAST, SAMPLE, BUDGET, REPLAY_TIMEOUT];

pub const AFTER_COMMIT: Parameter = Parameter {
    name: "after-commit",
    form: Form::Count { max: i64::MAX as u64 },
    about: "Only what came after this commit, where an earlier backup ended; with `chain`.",
};
pub const CHAIN: Parameter = Parameter {
    name: "chain",
    form: Form::Text,
    about: "The hash that the earlier backup ended with: a log that doesn't have it is refused.",
};
pub const RESTORE_AT: Parameter =
    Parameter { name: "at", form: Form::Text, about: "Restore up to this position. Without it, all that the backup holds." };
pub const RESTORE_UNTIL: Parameter =
    Parameter { name: "until", form: Form::Text, about: "Restore what was recorded at this time (RFC 3339) or before; instead of `at`." };
pub const EFFECTS: Parameter = Parameter {
    name: "effects",
    form: Form::Choice { of: &["true", "false"], default: "false" },
    about: "Whether its timers fire and its requests leave.",
};
