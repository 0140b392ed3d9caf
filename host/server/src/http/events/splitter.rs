//! Cutting a stream into portions of whole lines.

use std::io::BufRead;

/// Collects what comes and hands out whole lines, many at a time. Each byte is copied once.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the last line break ends; 0 if there is none.
    whole: usize,
}

impl Splitter {
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            self.whole = self.buffer.len() + at + 1;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes of whole lines at hand.
    pub fn whole_bytes(&self) -> usize {
        self.whole
    }

    /// Bytes of the line that has not ended yet.
    pub fn open_bytes(&self) -> usize {
        self.buffer.len() - self.whole
    }

    /// Takes all whole lines. `spare` is an old portion, whose memory is used again.
    pub fn take(&mut self, mut spare: Vec<u8>) -> Vec<u8> {
        spare.clear();
        spare.extend_from_slice(&self.buffer[self.whole..]);
        self.buffer.truncate(self.whole);
        self.whole = 0;
        std::mem::replace(&mut self.buffer, spare)
    }

    /// Takes what is left: a last line may lack its break.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.whole = 0;
        std::mem::take(&mut self.buffer)
    }
}

/// The lines of a portion, without their breaks and the spaces around them; empty ones too.
pub fn lines(portion: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = line_bytes(&portion.as_bytes()[at..]);
        let line = &portion[at..at + length];
        at += length;
        (length > 0).then(|| line.trim_ascii())
    })
}

/// Bytes of the first lines, at most `most`, and how many these are.
pub fn extent(portion: &[u8], most: usize) -> (usize, usize) {
    let (mut bytes, mut count) = (0, 0);
    while count < most && bytes < portion.len() {
        bytes += line_bytes(&portion[bytes..]);
        count += 1;
    }
    (bytes, count)
}

/// Bytes of the first line with its break. Of all searches for a byte in std, this one is libc's.
fn line_bytes(mut text: &[u8]) -> usize {
    text.skip_until(b'\n').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "one\ntwo\r\n\n  three\nfour, the last, without a break";

    fn split(parts: &[&[u8]], take_at: usize) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut portions = Vec::new();
        for part in parts {
            splitter.push(part);
            assert_eq!(splitter.whole_bytes() + splitter.open_bytes(), splitter.buffer.len());
            if splitter.whole_bytes() >= take_at {
                portions.push(splitter.take(b"an old portion".to_vec()));
            }
        }
        portions.push(splitter.take_rest());
        assert!(portions[..portions.len() - 1].iter().all(|portion| portion.is_empty() || portion.ends_with(b"\n")));
        portions.iter().flat_map(|portion| lines(std::str::from_utf8(portion).expect("UTF-8"))).map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_the_same_wherever_the_stream_is_cut() {
        let bytes = TEXT.as_bytes();
        let expected = ["one", "two", "", "three", "four, the last, without a break"];
        for take_at in [0, 1, 5, 1_000] {
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(split(&parts, take_at), expected, "cut at {first} and {second}");
                }
            }
            assert_eq!(split(&bytes.chunks(1).collect::<Vec<_>>(), take_at), expected);
        }
    }

    #[test]
    fn the_first_lines_are_measured_with_their_breaks() {
        assert_eq!((extent(TEXT.as_bytes(), 0), extent(TEXT.as_bytes(), 2), extent(TEXT.as_bytes(), 9)), ((0, 0), (9, 2), (TEXT.len(), 5)));
    }

    #[test]
    fn a_break_at_the_end_begins_no_further_line() {
        assert_eq!(split(&[b"a\nb\n"], 0), ["a", "b"]);
        assert_eq!(split(&[b""], 0), [""; 0]);
    }
}
