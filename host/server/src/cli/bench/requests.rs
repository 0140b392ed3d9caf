//! Requests that are made once and sent many times, each time with ids that were never used.

/// Decimal digits of an id: more than any bench can use up.
const ID_DIGITS: usize = 12;

/// What all events of one run have in common.
#[derive(Clone, Debug)]
pub struct Events {
    /// Unlike that of any other run, so that no id was used before.
    pub source: String,
    /// Bytes of one event as it is sent: its JSON with all attributes.
    pub event_bytes: usize,
}

/// What the events of a row are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Orders that the example handler of `guest-examples/hello` prices.
    Orders,
    /// Departures that the views of `guest-examples/flights` count.
    Departures,
}

/// Bytes to send, in which the ids are set anew.
#[derive(Clone, Debug)]
pub struct Request {
    pub bytes: Vec<u8>,
    /// Where each id begins.
    ids: Vec<usize>,
}

const CARRIERS: [&str; 16] = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"];
/// Subjects that the events are spread over.
const SUBJECTS: usize = 1_000;

impl Events {
    fn write(&self, subject: usize, into: &mut Request) {
        self.write_kind(Kind::Orders, subject, into);
    }

    /// One event.
    fn write_kind(&self, kind: Kind, subject: usize, into: &mut Request) {
        let rest = match kind {
            Kind::Orders => {
                format!("\",\"type\":\"order.placed\",\"subject\":\"order/{subject:03}\",\"data\":{{\"quantity\":3,\"unit_price\":250")
            }
            Kind::Departures => {
                let (carrier, month) = (CARRIERS[subject % CARRIERS.len()], subject / CARRIERS.len() % 12 + 1);
                let delay = (subject * 7 % 90) as i32 - 20;
                format!(
                    "\",\"type\":\"flight.departed\",\"subject\":\"{carrier}/{subject:04}/2013-{month:02}-01\",\"data\":{{\"carrier\":\"{carrier}\",\"dep_delay\":{delay},\"tailnum\":\"N{subject:05}\",\"origin\":\"EWR\",\"dest\":\"IAH\""
                )
            }
        };
        self.write_rest(&rest, into);
    }

    /// One event, of which is given what comes after its source, up to the last member of its data.
    fn write_rest(&self, rest: &str, into: &mut Request) {
        let out = &mut into.bytes;
        let start = out.len();
        out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
        into.ids.push(out.len());
        out.extend_from_slice(&[b'0'; ID_DIGITS]);
        out.extend_from_slice(b"\",\"source\":\"");
        out.extend_from_slice(self.source.as_bytes());
        out.extend_from_slice(rest.as_bytes());
        const NOTE: &[u8] = b",\"note\":\"\"";
        let missing = self.event_bytes.saturating_sub(out.len() - start + 2);
        if let Some(padding) = missing.checked_sub(NOTE.len()) {
            out.extend_from_slice(&NOTE[..NOTE.len() - 1]);
            out.extend((0..padding).map(|index| b'a' + (index * 7 % 26) as u8));
            out.push(b'"');
        }
        out.extend_from_slice(b"}}");
    }

    /// `count` events, each followed by `separator`.
    pub fn lines(&self, count: usize) -> Request {
        let mut lines = Request { bytes: Vec::new(), ids: Vec::new() };
        for index in 0..count {
            self.write(index % SUBJECTS, &mut lines);
            lines.bytes.push(b'\n');
        }
        lines
    }

    /// The same of departures.
    pub fn departures(&self, count: usize) -> Request {
        let mut lines = Request { bytes: Vec::new(), ids: Vec::new() };
        for index in 0..count {
            self.write_kind(Kind::Departures, index % SUBJECTS, &mut lines);
            lines.bytes.push(b'\n');
        }
        lines
    }

    /// Events that ask `guest-examples/bench/outside` for something: of this type, with one member of data.
    pub fn asking(&self, r#type: &str, member: &str, value: &str, count: usize) -> Request {
        let mut lines = Request { bytes: Vec::new(), ids: Vec::new() };
        for index in 0..count {
            let subject = index % SUBJECTS;
            self.write_rest(
                &format!("\",\"type\":\"{type}\",\"subject\":\"asked/{subject:03}\",\"data\":{{\"{member}\":\"{value}\""),
                &mut lines,
            );
            lines.bytes.push(b'\n');
        }
        lines
    }

    /// A signed webhook a request, each with a delivery of its own.
    pub fn webhook(&self, path: &str, signature: &str, body: &str) -> Request {
        let start = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nx-signature: {signature}\r\nx-delivery: {}/", self.source);
        let rest = format!("\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let mut bytes = start.into_bytes();
        let ids = vec![bytes.len()];
        bytes.extend_from_slice(&[b'0'; ID_DIGITS]);
        bytes.extend_from_slice(rest.as_bytes());
        Request { bytes, ids }
    }

    /// A command a request, each with an id of its own: pieces of one kind come to the shop of
    /// `guest-examples/shop`.
    pub fn command(&self, path: &str, subject: usize) -> Request {
        let path = format!("{path}?subject=stock/{subject:03}&source={}&id=", self.source);
        let body = b"{\"quantity\":1}";
        let start = format!("POST {path}");
        let rest = format!(" HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut bytes = start.into_bytes();
        let ids = vec![bytes.len()];
        bytes.extend_from_slice(&[b'0'; ID_DIGITS]);
        bytes.extend_from_slice(rest.as_bytes());
        bytes.extend_from_slice(body);
        Request { bytes, ids }
    }

    /// One event a request.
    pub fn single(&self, path: &str, subject: usize) -> Request {
        let mut body = Request { bytes: Vec::new(), ids: Vec::new() };
        self.write(subject % SUBJECTS, &mut body);
        body.behind(&head(path, "application/cloudevents+json", body.bytes.len()))
    }

    /// The same of a departure.
    pub fn departure(&self, path: &str, subject: usize) -> Request {
        let mut body = Request { bytes: Vec::new(), ids: Vec::new() };
        self.write_kind(Kind::Departures, subject % SUBJECTS, &mut body);
        body.behind(&head(path, "application/cloudevents+json", body.bytes.len()))
    }

    /// Many events a request, all or none.
    pub fn batch(&self, path: &str, count: usize) -> Request {
        let mut body = Request { bytes: vec![b'['], ids: Vec::new() };
        for index in 0..count {
            if index > 0 {
                body.bytes.push(b',');
            }
            self.write(index % SUBJECTS, &mut body);
        }
        body.bytes.push(b']');
        body.behind(&head(path, "application/cloudevents-batch+json", body.bytes.len()))
    }
}

impl Request {
    pub fn events(&self) -> usize {
        self.ids.len()
    }

    /// Gives the events the ids `first`, `first + 1`, …
    pub fn set_ids(&mut self, first: u64) {
        for (&start, id) in self.ids.iter().zip(first..).filter(|(start, _)| **start != usize::MAX) {
            let mut rest = id;
            for digit in self.bytes[start..start + ID_DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }

    fn behind(&self, head: &str) -> Request {
        let mut bytes = head.as_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        Request { bytes, ids: self.ids.iter().map(|start| start + head.len()).collect() }
    }
}

fn head(path: &str, content_type: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n")
}

/// The head of a stream of lines; its body follows in chunks.
pub fn stream_head(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n")
}

/// A request for one row of a view.
pub fn row_request(path: &str) -> Request {
    let bytes = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes();
    // Counted as one, and nothing in it is set anew.
    Request { bytes, ids: vec![usize::MAX] }
}

/// A request for a stream of lines.
pub fn read_head(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: application/x-ndjson\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn events() -> Events {
        Events { source: "/bench/0123abcd".into(), event_bytes: 200 }
    }

    #[test]
    fn an_event_has_exactly_the_bytes_that_were_asked_for() {
        let mut lines = events().lines(3);
        lines.set_ids(998);
        let text = String::from_utf8(lines.bytes).unwrap();
        let ids: Vec<String> = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string()).collect();
        assert_eq!(ids, ["\"000000000998\"", "\"000000000999\"", "\"000000001000\""]);
        assert!(text.lines().all(|line| line.len() == 200), "{text}");
    }

    #[test]
    fn a_batch_is_one_array_behind_its_head() {
        let mut batch = events().batch("/v1/namespaces/bench/events", 100);
        batch.set_ids(7);
        let text = String::from_utf8(batch.bytes.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        let sent: Vec<Value> = serde_json::from_str(body).unwrap();
        assert_eq!((sent.len(), batch.events()), (100, 100));
        assert_eq!(sent[99]["id"], "000000000106");
    }
}
