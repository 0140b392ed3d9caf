//! W3C trace context: the header `traceparent` of a request becomes the attribute `traceparent` of its events, as the
//! CloudEvents extension for distributed tracing has it, and so finds its way to whoever they are sent to.

use http::HeaderMap;
use retold_engine::model::{NewEvent, limits};

/// The name of the header and of the attribute.
pub const TRACE_PARENT: &str = "traceparent";

/// Gives the request's trace to events that don't name one themselves. A header that isn't well formed is ignored, as
/// the specification says.
pub fn take_trace(headers: &HeaderMap, events: &mut [NewEvent]) {
    if let Some(trace) = trace_parent(headers) {
        give_trace(trace, events);
    }
}

/// The one well-formed `traceparent` of a request.
pub fn trace_parent(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACE_PARENT).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().filter(|text| is_trace_parent(text))
}

/// Gives this trace to events that don't name one themselves.
pub fn give_trace(trace: &str, events: &mut [NewEvent]) {
    for event in events {
        let extensions = &mut event.extensions;
        if extensions.len() < limits::EXTENSIONS_PER_EVENT_MAX && extensions.iter().all(|(name, _)| name != TRACE_PARENT) {
            extensions.push((TRACE_PARENT.to_owned(), trace.to_owned()));
            extensions.sort_unstable();
        }
    }
}

/// `VERSION-TRACE-PARENT-FLAGS`, in lower-case hexadecimal digits (<https://www.w3.org/TR/trace-context/>). Later
/// versions than 00 may go on behind another `-`.
pub fn is_trace_parent(text: &str) -> bool {
    let hex = |part: &str, letters: usize| part.len() == letters && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let mut parts = text.splitn(5, '-');
    let mut part = || parts.next().unwrap_or_default();
    let (version, trace, parent, flags) = (part(), part(), part(), part());
    let known = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    known && hex(trace, 32) && set(trace) && hex(parent, 16) && set(parent) && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_is_well_formed_or_it_is_none() {
        for good in [TRACE, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes"] {
            assert!(is_trace_parent(good), "{good}");
        }
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\n",
        ] {
            assert!(!is_trace_parent(bad), "{bad}");
        }
    }

    #[test]
    fn an_event_takes_the_requests_trace_unless_it_names_one() {
        let mut headers = HeaderMap::new();
        headers.append(TRACE_PARENT, TRACE.parse().expect("a value"));
        let own = vec![(TRACE_PARENT.to_owned(), "00-1".to_owned())];
        let other = vec![("z".to_owned(), "1".to_owned())];
        let mut events =
            [NewEvent { extensions: own.clone(), ..NewEvent::default() }, NewEvent { extensions: other, ..NewEvent::default() }];
        take_trace(&headers, &mut events);
        assert_eq!(events[0].extensions, own);
        assert_eq!(events[1].extensions, [(TRACE_PARENT.to_owned(), TRACE.to_owned()), ("z".to_owned(), "1".to_owned())]);
        // Two of them are none.
        headers.append(TRACE_PARENT, TRACE.parse().expect("a value"));
        let mut event = [NewEvent::default()];
        take_trace(&headers, &mut event);
        assert_eq!(event[0].extensions, []);
    }
}
