//! `Envelope`: an event as it comes in, before its data is read.

use crate::Timestamp;
use crate::bindings::wire;

/// An event of the call at hand. What it borrows lies in the few pieces that the call brought.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    pub position: u64,
    pub event_type: &'a str,
    pub subject: &'a str,
    pub time: Timestamp,
    pub data: Data<'a>,
}

/// The data of an event, as [`Input::decode`](crate::Input::decode) gets it. What a call brings is looked at once for
/// whether it is text: asked of each event by itself, that is a tenth of what it takes to read one.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    bytes: &'a [u8],
    /// The same, where it is known to be text.
    text: Option<&'a str>,
}

impl<'a> Data<'a> {
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Errs if it isn't UTF-8.
    #[inline(always)]
    pub fn text(self) -> Result<&'a str, std::str::Utf8Error> {
        self.text.map_or_else(|| std::str::from_utf8(self.bytes), Ok)
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(bytes: &'a [u8]) -> Data<'a> {
        Data { bytes, text: None }
    }
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(text: &'a str) -> Data<'a> {
        Data { bytes: text.as_bytes(), text: Some(text) }
    }
}

/// The events of a call, one after the other.
pub fn envelopes(events: &wire::Events) -> impl ExactSizeIterator<Item = Envelope<'_>> {
    let wire::Events { positions, times, type_indices, subject_ends, data_ends, types, subjects, data } = events;
    let text = std::str::from_utf8(data).ok();
    let (mut subject_start, mut data_start) = (0, 0);
    positions.iter().zip(times).zip(type_indices).zip(subject_ends).zip(data_ends).map(
        move |((((position, time), index), subject_end), data_end)| {
            let (subject_end, data_end) = (*subject_end as usize, *data_end as usize);
            let part = data_start..data_end;
            let envelope = Envelope {
                position: *position,
                event_type: &types[*index as usize],
                subject: &subjects[subject_start..subject_end],
                time: Timestamp::from_micros(*time),
                // Where a character begins in one event's data and ends in the next one's, neither is text.
                data: Data { bytes: &data[part.clone()], text: text.and_then(|text| text.get(part)) },
            };
            (subject_start, data_start) = (subject_end, data_end);
            envelope
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_its_own_part_of_every_piece() {
        let events = of_data(b"{}[1]", [2, 2, 5]);
        let found: Vec<_> = envelopes(&events).map(|it| (it.position, it.event_type, it.subject, it.data.text().unwrap())).collect();
        assert_eq!(found, [(3, "b", "Zoë/", "{}"), (4, "a", "", ""), (9, "b", "x", "[1]")]);
        let times: Vec<_> = envelopes(&events).map(|it| it.time).collect();
        assert_eq!(times, [7, 8, 9].map(Timestamp::from_micros));
    }

    #[test]
    fn data_is_text_event_by_event() {
        let texts = |data: &[u8], ends| {
            let events = of_data(data, ends);
            envelopes(&events).map(|it| (it.data.bytes().to_vec(), it.data.text().is_ok())).collect::<Vec<_>>()
        };
        let of = |parts: [(&[u8], bool); 3]| parts.map(|(bytes, is_text)| (bytes.to_vec(), is_text));
        assert_eq!(texts(b"1\xff3", [1, 2, 3]), of([(b"1", true), (b"\xff", false), (b"3", true)]));
        // Together they are a character.
        assert_eq!(texts("1ë".as_bytes(), [1, 2, 3]), of([(b"1", true), (b"\xc3", false), (b"\xab", false)]));
    }

    fn of_data(data: &[u8], data_ends: [u32; 3]) -> wire::Events {
        wire::Events {
            positions: vec![3, 4, 9],
            times: vec![7, 8, 9],
            type_indices: vec![1, 0, 1],
            subject_ends: vec![5, 5, 6],
            data_ends: data_ends.to_vec(),
            types: vec!["a".to_owned(), "b".to_owned()],
            subjects: "Zoë/x".to_owned(),
            data: data.to_vec(),
        }
    }
}
