//! What one call may ask of the host, whatever the size of its batch. Fuel doesn't see the work that
//! the host does for a guest, so it is counted here, and too much of it traps with the limit's name.

use retold_engine::model::{StateError, limits};

pub(super) const LOG_LINES_PER_CALL_MAX: usize = 10_000;
pub(super) const LOG_BYTES_PER_CALL_MAX: usize = 1 << 20;
/// Longer lines are cut.
pub(super) const LOG_LINE_BYTES_MAX: usize = 4 << 10;
pub(super) const STATE_CALLS_PER_CALL_MAX: usize = 65_536;
/// Keys and values that go into a guest.
pub(super) const STATE_READ_BYTES_PER_CALL_MAX: usize = 64 << 20;
pub(super) const DETAILS_PER_CALL_MAX: usize = 4 * limits::EVENTS_PER_BATCH_MAX;
pub(super) const SIGNATURES_PER_CALL_MAX: usize = 100;
pub(super) const SIGNED_BYTES_PER_CALL_MAX: usize = 64 << 20;
/// Of a module that imports WASI, whose calls take no other quota: whoever waits for a clock that stands still asks it
/// again and again, which costs little fuel and much time.
pub(super) const HOST_CALLS_PER_CALL_MAX: usize = 1 << 20;
pub(super) const RANDOM_BYTES_PER_CALL_MAX: usize = 64 << 10;
/// Bytes that cross from a guest to the host at once: one host call's arguments, or a call's result.
pub(super) const TRANSFER_BYTES_MAX: usize = 2 * limits::OUTPUT_BYTES_PER_CALL_MAX;
const _: () = {
    assert!(TRANSFER_BYTES_MAX >= 2 * limits::QUERY_PAYLOAD_BYTES_MAX);
    assert!(TRANSFER_BYTES_MAX >= 2 * limits::STATE_VALUE_BYTES_MAX);
};
/// Resources (streams, pollables) that an instance may hold.
pub(super) const HANDLES_MAX: usize = 1_000;

/// Why a host call ended the guest's call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("more than {max} (limit `{limit}`)")]
    Quota { limit: &'static str, max: usize },
    #[error(transparent)]
    State(StateError),
    #[error("a part that ends at byte {0} of its piece, where none does")]
    NoSuchPart(u32),
    #[error("asked for the details of position {0}, which is not in the batch")]
    NotInBatch(u64),
}

/// What the call at hand has used so far.
#[derive(Default)]
pub(super) struct Quotas {
    log_lines: usize,
    log_bytes: usize,
    state_calls: usize,
    state_read_bytes: usize,
    details: usize,
    random_bytes: usize,
    signatures: usize,
    signed_bytes: usize,
    host_calls: usize,
}

impl Quotas {
    pub(super) fn log(&mut self, bytes: usize) -> Result<(), Refusal> {
        take(&mut self.log_lines, 1, LOG_LINES_PER_CALL_MAX, "log-lines-per-call")?;
        take(&mut self.log_bytes, bytes, LOG_BYTES_PER_CALL_MAX, "log-bytes-per-call")
    }

    pub(super) fn host_call(&mut self) -> Result<(), Refusal> {
        take(&mut self.host_calls, 1, HOST_CALLS_PER_CALL_MAX, "host-calls-per-call")
    }

    pub(super) fn state_call(&mut self) -> Result<(), Refusal> {
        take(&mut self.state_calls, 1, STATE_CALLS_PER_CALL_MAX, "state-calls-per-call")
    }

    pub(super) fn state_read(&mut self, bytes: usize) -> Result<(), Refusal> {
        take(&mut self.state_read_bytes, bytes, STATE_READ_BYTES_PER_CALL_MAX, "state-read-bytes-per-call")
    }

    pub(super) fn details(&mut self) -> Result<(), Refusal> {
        take(&mut self.details, 1, DETAILS_PER_CALL_MAX, "details-per-call")
    }

    /// A signature over so many bytes is to be verified.
    pub(super) fn signature(&mut self, bytes: usize) -> Result<(), Refusal> {
        take(&mut self.signatures, 1, SIGNATURES_PER_CALL_MAX, "signatures-per-call")?;
        take(&mut self.signed_bytes, bytes, SIGNED_BYTES_PER_CALL_MAX, "signed-bytes-per-call")
    }

    pub(super) fn random(&mut self, bytes: u64) -> Result<(), Refusal> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        take(&mut self.random_bytes, bytes, RANDOM_BYTES_PER_CALL_MAX, "random-bytes-per-call")
    }
}

fn take(used: &mut usize, more: usize, max: usize, limit: &'static str) -> Result<(), Refusal> {
    *used = used.saturating_add(more);
    if *used <= max { Ok(()) } else { Err(Refusal::Quota { limit, max }) }
}

/// `message` as one line: control characters escaped, cut where it is too long.
pub(super) fn log_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len().min(LOG_LINE_BYTES_MAX));
    for letter in message.chars() {
        if line.len() >= LOG_LINE_BYTES_MAX {
            line.push_str(" …");
            break;
        }
        if letter.is_control() && letter != '\t' {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_can_not_forge_another_or_steer_a_terminal() {
        assert_eq!(log_line("a\nERROR all is lost"), "a\\nERROR all is lost");
        assert_eq!(log_line("\u{1b}[2Jclean"), "\\u{1b}[2Jclean");
        assert_eq!(log_line("tab\tstays, ünïcode too"), "tab\tstays, ünïcode too");
        let long = log_line(&"é".repeat(10_000));
        assert!(long.len() < LOG_LINE_BYTES_MAX + 8 && long.ends_with('…'));
    }

    #[test]
    fn a_quota_names_its_limit() {
        let mut quotas = Quotas::default();
        for _ in 0..LOG_LINES_PER_CALL_MAX {
            quotas.log(1).unwrap();
        }
        assert_eq!(quotas.log(1).unwrap_err().to_string(), "more than 10000 (limit `log-lines-per-call`)");
        assert!(quotas.random(u64::MAX).is_err());
    }
}
