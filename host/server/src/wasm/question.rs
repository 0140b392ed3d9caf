//! What a module can be asked. Each question has its own wall limit and its own bound for the answer.

use retold_engine::model::limits;

use super::SandboxOptions;
use super::quotas::TRANSFER_BYTES_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Describe,
    Handle,
    Decide,
    Evolve,
    Project,
    Query,
    Upcast,
    Accept,
}

impl Question {
    /// Wall time in milliseconds, and the limit's name.
    pub(super) fn wall_ms(self, options: &SandboxOptions) -> (u64, &'static str) {
        match self {
            Question::Query => (options.query_wall_ms, "query-wall-ms"),
            _ => (options.call_ms_max, "call-ms"),
        }
    }

    /// What an answer holds, how many bytes of it at most, and the limit's name.
    pub(super) fn answer_bytes_max(self) -> (&'static str, usize, &'static str) {
        match self {
            Question::Handle | Question::Decide | Question::Upcast | Question::Accept => {
                ("bytes of outputs", limits::OUTPUT_BYTES_PER_CALL_MAX, "output-bytes-per-call")
            }
            Question::Evolve => ("bytes of state", limits::STATE_VALUE_BYTES_MAX, "state-value-bytes"),
            Question::Query => ("bytes of payload", limits::QUERY_PAYLOAD_BYTES_MAX, "query-payload-bytes"),
            Question::Describe | Question::Project => ("bytes", TRANSFER_BYTES_MAX, "transfer-bytes"),
        }
    }
}
