//! Lines as events, and which line was which event.

use retold_engine::model::NewEvent;

use super::super::cloudevents::{BadEvent, event_from_json, json_text};
use super::splitter::lines;

/// The first events of a portion, at most `most`, up to a line that is none: its offset and what is
/// wrong with it. Empty lines are passed over. There is room for `most` from the start.
pub fn parse(text: &[u8], most: usize) -> (Vec<NewEvent>, Option<(u64, BadEvent)>) {
    let (text, broken) = whole_lines_of_text(text);
    let mut events = Vec::with_capacity(most);
    let mut count = 0;
    for line in lines(text) {
        if events.len() == most {
            return (events, None);
        }
        if !line.is_empty() {
            match event_from_json(line) {
                Ok(event) => events.push(event),
                Err(bad) => return (events, Some((count, bad))),
            }
        }
        count += 1;
    }
    (events, broken.map(|bad| (count, bad)))
}

/// The offset of the line with the event of this index.
pub fn line_of(text: &[u8], index: usize) -> u64 {
    let (text, _) = whole_lines_of_text(text);
    lines(text).enumerate().filter(|(_, line)| !line.is_empty()).nth(index).map_or(0, |(offset, _)| offset as u64)
}

/// The lines before the first that is not UTF-8, and what is wrong with that one.
fn whole_lines_of_text(text: &[u8]) -> (&str, Option<BadEvent>) {
    match json_text(text) {
        Ok(text) => (text, None),
        Err(bad) => {
            let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            (&valid[..valid.rfind('\n').map_or(0, |at| at + 1)], Some(bad))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\n{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}\n\n{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":\"t\"}\r\nbad\n";

    #[test]
    fn a_bad_line_is_told_by_its_number_empty_ones_counted() {
        let (events, bad) = parse(TEXT, 9);
        assert_eq!(events.len(), 2);
        assert_eq!(bad.map(|(offset, _)| offset), Some(4));
        assert_eq!((line_of(TEXT, 0), line_of(TEXT, 1)), (1, 3));
    }

    #[test]
    fn a_line_that_is_no_text_ends_the_stream_there() {
        let mut text = TEXT.to_vec();
        let last = text.len() - 2;
        text[last] = 0xff;
        let (events, bad) = parse(&text, 9);
        assert_eq!((events.len(), bad.map(|(offset, bad)| (offset, bad.what.contains("UTF-8")))), (2, Some((4, true))));
    }

    #[test]
    fn the_lines_before_a_refused_one_can_be_read_again() {
        let (events, bad) = parse(TEXT, 1);
        assert_eq!(events.len(), 1);
        assert!(bad.is_none());
    }
}
