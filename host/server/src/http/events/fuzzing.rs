//! Promises about streams of lines: see `crate::fuzzing`.

use super::line_events::{line_of, parse};
use super::splitter::{Splitter, extent};

/// A stream of lines, however it comes: the first byte says in which parts, the second when portions are taken.
pub fn lines(bytes: &[u8]) {
    let [part, take_at, stream @ ..] = bytes else { return };
    let (mut splitter, mut portions, mut joined) = (Splitter::default(), Vec::new(), Vec::new());
    for part in stream.chunks(usize::from(*part) + 1) {
        splitter.push(part);
        if splitter.whole_bytes() > usize::from(*take_at) {
            let portion = splitter.take(b"an old portion".to_vec());
            assert!(portion.ends_with(b"\n"), "a portion is of whole lines");
            portions.push(portion);
        }
    }
    portions.push(splitter.take_rest());
    portions.iter().for_each(|portion| joined.extend_from_slice(portion));
    assert_eq!(joined, stream, "nothing is lost, doubled or moved");

    let count = |portion: &[u8]| extent(portion, usize::MAX).1;
    let whole = count(stream);
    assert_eq!(portions.iter().map(|portion| count(portion)).sum::<usize>(), whole, "a line is in one portion");
    let (bytes, first) = extent(stream, whole / 2);
    assert_eq!(first + count(&stream[bytes..]), whole);

    // Events up to the first line that is none, whole or half of them at a time.
    let (events, bad) = parse(stream, whole);
    let (some, _) = parse(stream, events.len() / 2);
    assert!(events.starts_with(&some));
    let places: Vec<u64> = (0..events.len()).map(|index| line_of(stream, index)).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "each event has a line of its own");
    if let Some((offset, _)) = bad {
        assert!(places.last().is_none_or(|last| *last < offset) && offset < whole as u64, "line {offset} of {whole}");
    }
}
