//! The audit: deterministic code answers the same for events in one call, one by one, and in a fresh
//! instance. What it answers differently is shown; nobody knows which of the answers is right.

use super::calls::Writes;
use super::handler::{Call, Progress, end_of_one};
use crate::model::{Emitted, EventRef, Position};

/// Events of a sample.
const SAMPLE: usize = 16;

/// Where code answered twice in two ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub position: Position,
    pub subject: String,
    /// What was answered, and how it was asked.
    pub message: String,
}

/// Runs the first of the events that passed again, in two more ways. `None`: the same, or the host could
/// not run them. `earlier` are the state writes that the first run stood on.
pub fn sample(call: &mut Call<'_>, events: &[EventRef<'_>], first: &Progress, earlier: &Writes) -> Option<Difference> {
    let mut end = 0;
    for _ in 0..SAMPLE {
        if end < events.len() {
            end = end_of_one(events, end);
        }
    }
    let sample = &events[..end];
    let last = sample.last()?.position;
    let alone = call.again(sample, earlier, true)?;
    let fresh = call.again(sample, earlier, false)?;
    let message = match (&alone, &fresh) {
        (Err(fault), _) => Some(format!("they passed in a batch, and alone one failed: {fault}")),
        (_, Err(fault)) => Some(format!("they passed, and in a fresh instance they failed: {fault}")),
        (Ok((alone_made, alone_wrote)), Ok((fresh_made, fresh_wrote))) => {
            let made: Vec<&Emitted> = first.emitted.iter().filter(|made| made.cause <= last).collect();
            // Of a larger batch nobody knows which writes are the sample's.
            let wrote = (end == events.len() && first.stopped.is_none()).then_some(&first.writes);
            difference("one by one", alone_made.iter(), alone_wrote, "in a fresh instance", fresh_made.iter(), fresh_wrote).or_else(|| {
                difference("in a batch", made.into_iter(), wrote.unwrap_or(alone_wrote), "one by one", alone_made.iter(), alone_wrote)
            })
        }
    };
    let first = &sample[0];
    message.map(|message| Difference {
        position: first.position,
        subject: first.subject.to_owned(),
        message: format!("the same events gave two answers ({} to {last}): {message}", first.position),
    })
}

/// The first difference between two runs, in words.
fn difference<'a>(
    one: &str,
    made: impl Iterator<Item = &'a Emitted>,
    wrote: &Writes,
    other: &str,
    other_made: impl Iterator<Item = &'a Emitted>,
    other_wrote: &Writes,
) -> Option<String> {
    let (made, other_made): (Vec<_>, Vec<_>) = (made.collect(), other_made.collect());
    for index in 0..made.len().max(other_made.len()) {
        let (left, right) = (made.get(index), other_made.get(index));
        if left != right {
            return Some(format!("{one} {}, {other} {}", told(left.copied()), told(right.copied())));
        }
    }
    let keys = wrote.keys().chain(other_wrote.keys());
    let key = keys.into_iter().filter(|key| wrote.get(*key) != other_wrote.get(*key)).min()?;
    Some(format!("state {key:?} is {one} {}, {other} {}", shown(wrote.get(key)), shown(other_wrote.get(key))))
}

fn told(made: Option<&Emitted>) -> String {
    match made {
        None => "nothing more".to_owned(),
        Some(made) => format!("{} of {:?} because of {}: {}", made.r#type, made.subject, made.cause, excerpt(&made.data)),
    }
}

fn shown(value: Option<&Option<Vec<u8>>>) -> String {
    match value {
        None => "not written".to_owned(),
        Some(None) => "deleted".to_owned(),
        Some(Some(value)) => excerpt(value),
    }
}

fn excerpt(bytes: &[u8]) -> String {
    const MOST: usize = 120;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).into_owned();
    if bytes.len() > MOST { format!("{text}…") } else { text }
}
