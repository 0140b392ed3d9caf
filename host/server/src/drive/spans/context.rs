//! Which span of which trace: W3C trace context.

use retold_engine::model::Position;
use sha2::{Digest as _, Sha256};

use crate::cloudevents::is_trace_parent;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    pub trace: u128,
    pub span: u64,
    /// Whether anybody is told of it.
    pub sampled: bool,
}

impl SpanContext {
    /// Of a well-formed `traceparent`.
    pub fn parse(text: &str) -> Option<SpanContext> {
        let mut parts = Some(text).filter(|text| is_trace_parent(text))?.split('-').skip(1);
        let trace = u128::from_str_radix(parts.next()?, 16).ok()?;
        let span = u64::from_str_radix(parts.next()?, 16).ok()?;
        let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
        Some(SpanContext { trace, span, sampled: flags & 1 == 1 })
    }

    /// As a `traceparent`.
    pub fn text(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }

    /// The span of the same trace in which a function deals with what stands at a position. It follows from these, so that
    /// whoever comes to what the function made, also after a restart, finds the span that it is a child of.
    pub fn of_call(self, function: &str, position: Position) -> SpanContext {
        let hash = Sha256::new().chain_update(self.trace.to_be_bytes()).chain_update(position.0.to_le_bytes()).chain_update(function);
        let mut span = [0; 8];
        span.copy_from_slice(&hash.finalize()[..8]);
        // 0 is no span.
        SpanContext { span: u64::from_be_bytes(span).max(1), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_parent_is_read_and_written_and_its_sampled_flag_alone_is_kept() {
        let context = SpanContext::parse(TRACE).expect("well formed");
        assert_eq!((context.text().as_str(), context.sampled), (TRACE, true));
        let parse = |flags: &str| SpanContext::parse(&TRACE.replace("-01", flags)).map(|context| context.sampled);
        assert_eq!((parse("-00"), parse("-03"), parse("-02"), parse("-0")), (Some(false), Some(true), Some(false), None));
        assert!(SpanContext::parse("").is_none());
    }

    #[test]
    fn the_span_of_a_call_follows_from_trace_function_and_position_alone() {
        let context = SpanContext::parse(TRACE).expect("well formed");
        let call = context.of_call("pricing", Position(7));
        assert_eq!(call, SpanContext { span: 1, ..context }.of_call("pricing", Position(7)));
        assert_eq!((call.trace, call.sampled), (context.trace, true));
        assert_ne!(call.span, context.of_call("pricing", Position(8)).span);
        assert_ne!(call.span, context.of_call("other", Position(7)).span);
        assert_ne!(call.span, SpanContext { trace: 1, ..context }.of_call("pricing", Position(7)).span);
    }
}
