//! Events as they come from a file or a pipe: one document that is sent whole, or lines that are sent
//! as they come.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::{Context, Result};

use super::failure::Usage;

/// One read of a file.
const READ_BYTES: usize = 256 << 10;
/// Read ahead of what is being sent: at most this many reads.
const READS_AHEAD_MAX: usize = 16;
/// A line longer than this can't be an event: 1 MiB of data as base64, and its attributes.
const LINE_BYTES_MAX: usize = 4 << 20;
/// A document longer than this is more than the host takes in one atomic append.
const DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// What an input turned out to be.
pub enum Input {
    /// One CloudEvent.
    Event(Vec<u8>),
    /// A JSON array of CloudEvents: all of them or none.
    Batch(Vec<u8>),
    /// One CloudEvent a line.
    Lines(Lines),
}

/// What a first line is, behind which nothing has come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneLine {
    /// Sent at once: who writes into the pipe may take their time for the next.
    IsALine,
    /// An event if the input ends behind it: so the host can tell what became of it.
    MayBeAll,
}

/// Whole lines, in portions.
pub struct Lines {
    portions: Receiver<io::Result<Vec<u8>>>,
}

impl Input {
    /// Reads as far as is needed to tell what it is.
    pub fn open(mut from: impl Read + Send + 'static, one_line: OneLine) -> Result<Input> {
        let mut begin = Vec::new();
        loop {
            let ended = read_more(&mut from, &mut begin).context("cannot read the events")? == 0;
            match kind(&begin, ended, one_line) {
                Some(Kind::Lines) => return Ok(Input::Lines(Lines::read(from, begin))),
                Some(Kind::Batch) => return Ok(Input::Batch(whole(from, begin)?)),
                Some(Kind::Event) => return Ok(Input::Event(whole(from, begin)?)),
                None => check_line(&begin)?,
            }
        }
    }
}

impl Lines {
    /// A thread reads ahead while what was read is sent. It ends with the input, or when nobody takes
    /// its portions.
    fn read(mut from: impl Read + Send + 'static, begin: Vec<u8>) -> Lines {
        let (sender, portions) = sync_channel(READS_AHEAD_MAX);
        thread::spawn(move || {
            let mut pending = begin;
            loop {
                if let Some(end) = pending.iter().rposition(|&byte| byte == b'\n') {
                    let rest = pending.split_off(end + 1);
                    if sender.send(Ok(std::mem::replace(&mut pending, rest))).is_err() {
                        return;
                    }
                }
                match read_more(&mut from, &mut pending) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        let _ = sender.send(Err(error));
                        return;
                    }
                }
            }
            if !pending.is_empty() {
                pending.push(b'\n');
                let _ = sender.send(Ok(pending));
            }
        });
        Lines { portions }
    }

    /// The next lines: waits for one, takes what else has come, up to about `bytes`. None at the end.
    pub fn next(&self, bytes: usize) -> Result<Option<Vec<u8>>> {
        let Ok(first) = self.portions.recv() else { return Ok(None) };
        let mut lines = first.context("cannot read on")?;
        check_line(&lines)?;
        while lines.len() < bytes {
            let Ok(more) = self.portions.try_recv() else { break };
            lines.append(&mut more.context("cannot read on")?);
        }
        Ok(Some(lines))
    }
}

enum Kind {
    Event,
    Batch,
    Lines,
}

/// None: more has to be read to tell.
fn kind(begin: &[u8], ended: bool, one_line: OneLine) -> Option<Kind> {
    let start = begin.iter().position(|byte| !byte.is_ascii_whitespace());
    let Some(start) = start else { return ended.then_some(Kind::Lines) };
    if begin[start] == b'[' {
        return Some(Kind::Batch);
    }
    let text = &begin[start..];
    match text.iter().position(|&byte| byte == b'\n') {
        Some(end) if is_part_of_json(&text[..end]) => Some(Kind::Event),
        // A first line that is whole JSON, or is none at all, is for the host to judge, with its number.
        Some(end) if text[end..].iter().any(|byte| !byte.is_ascii_whitespace()) => Some(Kind::Lines),
        Some(_) if one_line == OneLine::IsALine => Some(Kind::Lines),
        _ => ended.then_some(Kind::Event),
    }
}

fn is_part_of_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

fn whole(from: impl Read, mut begin: Vec<u8>) -> Result<Vec<u8>> {
    let room = (DOCUMENT_BYTES_MAX + 1).saturating_sub(begin.len());
    from.take(room as u64).read_to_end(&mut begin).context("cannot read the events")?;
    if begin.len() > DOCUMENT_BYTES_MAX {
        let advice = "send one event a line instead, which is taken in parts: jq -c '.[]' FILE | retold append -";
        return Err(Usage(format!("the JSON document is too long to be appended all or nothing; {advice}")).into());
    }
    Ok(begin)
}

fn check_line(lines: &[u8]) -> Result<()> {
    if lines.len() > LINE_BYTES_MAX && !lines.contains(&b'\n') {
        return Err(Usage(format!("a line is longer than {LINE_BYTES_MAX} bytes; write one event a line")).into());
    }
    Ok(())
}

fn read_more(from: &mut impl Read, into: &mut Vec<u8>) -> io::Result<usize> {
    let start = into.len();
    into.resize(start + READ_BYTES, 0);
    let read = loop {
        match from.read(&mut into[start..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read,
        }
    };
    into.truncate(start + *read.as_ref().unwrap_or(&0));
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> String {
        let Input::Lines(lines) = Input::open(text.as_bytes(), OneLine::IsALine).unwrap() else { panic!("not lines: {text}") };
        let mut all = Vec::new();
        while let Some(mut some) = lines.next(1).unwrap() {
            assert!(some.ends_with(b"\n"));
            all.append(&mut some);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn lines_are_passed_on_as_they_are_and_the_last_one_is_ended() {
        assert_eq!(lines("{\"id\":\"1\"}\n\n{\"id\":\"2\"}"), "{\"id\":\"1\"}\n\n{\"id\":\"2\"}\n");
        assert_eq!(lines("{\"id\":\"1\"}\n"), "{\"id\":\"1\"}\n");
        assert_eq!(lines(""), "");
    }

    #[test]
    fn a_broken_first_line_is_left_to_the_host_which_tells_its_number() {
        assert_eq!(lines("not json\n{}\n"), "not json\n{}\n");
    }

    #[track_caller]
    fn check_event(text: &'static str, one_line: OneLine) {
        assert!(matches!(Input::open(text.as_bytes(), one_line).unwrap(), Input::Event(bytes) if bytes == text.as_bytes()));
    }

    #[test]
    fn an_event_written_over_several_lines_is_one_event() {
        check_event("{\n  \"id\": \"1\"\n}\n", OneLine::IsALine);
        check_event("{\"id\":\"1\"}", OneLine::IsALine);
    }

    #[test]
    fn one_line_alone_can_be_waited_for_as_one_event() {
        check_event("{\"id\":\"1\"}\n\n", OneLine::MayBeAll);
        let two = Input::open("{\"id\":\"1\"}\n{\"id\":\"2\"}".as_bytes(), OneLine::MayBeAll).unwrap();
        assert!(matches!(two, Input::Lines(_)));
    }

    #[test]
    fn an_array_is_one_batch() {
        assert!(matches!(Input::open(" \n[{\"id\":\"1\"}]".as_bytes(), OneLine::IsALine).unwrap(), Input::Batch(_)));
    }

    #[test]
    fn an_array_beyond_one_append_is_told_how_to_be_sent_instead() {
        let long = std::io::Cursor::new(b"[").chain(std::io::repeat(b' '));
        let error = Input::open(long, OneLine::IsALine).err().unwrap();
        assert!(error.to_string().contains("jq -c"), "{error}");
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let endless = std::io::Cursor::new(b"{").chain(std::io::repeat(b'x'));
        assert!(Input::open(endless, OneLine::IsALine).err().unwrap().to_string().contains("one event a line"));
    }
}
