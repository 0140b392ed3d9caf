//! Server-sent events, as the HTML standard frames them.

use std::io::{self, BufRead};

/// One message: fields that were not sent are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Where to go on after a broken connection: `Last-Event-ID`.
    pub id: String,
    pub event: String,
    pub data: String,
}

/// The next message with data, or None at the end of the stream. Comments and unfinished messages are
/// passed over.
pub fn next(from: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut message = Message::default();
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            if message.data.is_empty() {
                message = Message::default();
                continue;
            }
            message.data.pop();
            return Ok(Some(message));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut message.id),
            "event" => value.clone_into(&mut message.event),
            "data" => {
                message.data.push_str(value);
                message.data.push('\n');
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_and_heartbeats_passed_over() {
        let stream = ": 17\n\nid: 1.4\nevent: x\ndata: {\"a\":1}\n\nevent: head\n\ndata: one\r\ndata:two\r\n\r\ndata: unfinished\n";
        let mut from = stream.as_bytes();
        let first = next(&mut from).unwrap().unwrap();
        assert_eq!(first, Message { id: "1.4".into(), event: "x".into(), data: "{\"a\":1}".into() });
        assert_eq!(next(&mut from).unwrap().unwrap().data, "one\ntwo");
        assert_eq!(next(&mut from).unwrap(), None);
    }
}
