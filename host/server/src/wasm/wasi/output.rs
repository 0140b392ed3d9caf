//! Standard output and error, line by line into the function's log.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use retold_engine::model::LogLevel;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::wasm::quotas::{LOG_BYTES_PER_CALL_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_PER_CALL_MAX, Refusal};

/// What one instance has printed in the call at hand. Printing never waits: it is kept here, up to
/// the log's limits, and taken after the call.
#[derive(Clone, Default)]
pub(in crate::wasm) struct Output(Arc<Mutex<Printed>>);

#[derive(Default)]
struct Printed {
    lines: Vec<(LogLevel, String)>,
    /// The unfinished lines of standard output and standard error.
    started: [Vec<u8>; 2],
    bytes: usize,
}

impl Output {
    /// Everything printed since the last time, unfinished lines too.
    pub(in crate::wasm) fn take(&self) -> Vec<(LogLevel, String)> {
        let mut printed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.bytes == 0 {
            return Vec::new();
        }
        printed.end_line(Channel::Output);
        printed.end_line(Channel::Error);
        printed.bytes = 0;
        std::mem::take(&mut printed.lines)
    }

    pub(super) fn standard_output(&self) -> Stream {
        Stream { output: self.clone(), channel: Channel::Output }
    }

    pub(super) fn standard_error(&self) -> Stream {
        Stream { output: self.clone(), channel: Channel::Error }
    }
}

#[derive(Clone, Copy)]
enum Channel {
    Output,
    Error,
}

impl Printed {
    fn print(&mut self, channel: Channel, bytes: &[u8]) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > LOG_BYTES_PER_CALL_MAX {
            return Err(Refusal::Quota { limit: "log-bytes-per-call", max: LOG_BYTES_PER_CALL_MAX });
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let line = &mut self.started[channel as usize];
            // One more than fits, so that the cut shows.
            let room = (LOG_LINE_BYTES_MAX + 1).saturating_sub(line.len());
            line.extend_from_slice(&text[..text.len().min(room)]);
            if ended && self.lines.len() == LOG_LINES_PER_CALL_MAX {
                return Err(Refusal::Quota { limit: "log-lines-per-call", max: LOG_LINES_PER_CALL_MAX });
            }
            if ended {
                self.end_line(channel);
            }
        }
        Ok(())
    }

    /// An empty line is none.
    fn end_line(&mut self, channel: Channel) {
        if self.started[channel as usize].is_empty() {
            return;
        }
        let level = match channel {
            Channel::Output => LogLevel::Info,
            Channel::Error => LogLevel::Warn,
        };
        let line = std::mem::take(&mut self.started[channel as usize]);
        self.lines.push((level, String::from_utf8_lossy(&line).into_owned()));
    }
}

/// One of the two, as wasmtime-wasi writes to it.
pub(super) struct Stream {
    output: Output,
    channel: Channel,
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut printed = self.output.0.lock().unwrap_or_else(PoisonError::into_inner);
        printed.print(self.channel, &bytes).map_err(|refusal| StreamError::Trap(wasmtime::Error::new(refusal)))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl StdoutStream for Stream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Stream { output: self.output.clone(), channel: self.channel })
    }

    /// For WASI 0.3, which is not offered.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_comes_out_line_by_line() {
        let output = Output::default();
        let (mut out, mut error) = (output.standard_output(), output.standard_error());
        out.write(Bytes::from_static(b"one\ntw")).unwrap();
        error.write(Bytes::from_static(b"oh\xff\n")).unwrap();
        out.write(Bytes::from_static(b"o\nthree")).unwrap();
        let lines = output.take();
        let lines: Vec<_> = lines.iter().map(|(level, line)| (*level, line.as_str())).collect();
        assert_eq!(lines, [(LogLevel::Info, "one"), (LogLevel::Warn, "oh\u{fffd}"), (LogLevel::Info, "two"), (LogLevel::Info, "three")]);
        assert!(output.take().is_empty());
    }

    #[test]
    fn printing_without_end_is_refused_by_the_limit_s_name() {
        let output = Output::default();
        let mut out = output.standard_output();
        let chunk = Bytes::from(vec![b'x'; 64 << 10]);
        let refused = (0..17).find_map(|_| out.write(chunk.clone()).err()).expect("refused");
        assert!(refused.to_string().contains("log-bytes-per-call"), "{refused}");
        let lines = Output::default();
        let refused = lines.standard_output().write(Bytes::from("x\n".repeat(20_000))).expect_err("refused");
        assert!(refused.to_string().contains("log-lines-per-call"), "{refused}");
    }
}
