//! What a function returned, held against the limits and turned into the engine's words.

use retold_engine::model::{EventDraft, GuestFault, Output, Reaction, limits};

use super::bindings;

/// Moves the reactions over; nothing in them is copied. Whether their types are declared and their
/// causes in the batch, the engine judges.
pub(super) fn accept(reactions: Vec<bindings::Reaction>) -> Result<Vec<Reaction>, GuestFault> {
    if reactions.len() > limits::OUTPUTS_PER_CALL_MAX {
        return Err(too_many("outputs", reactions.len(), limits::OUTPUTS_PER_CALL_MAX, "outputs-per-call"));
    }
    let bytes: usize = reactions.iter().map(|reaction| bytes(&reaction.output)).sum();
    if bytes > limits::OUTPUT_BYTES_PER_CALL_MAX {
        return Err(too_many("bytes of outputs", bytes, limits::OUTPUT_BYTES_PER_CALL_MAX, "output-bytes-per-call"));
    }
    reactions
        .into_iter()
        .enumerate()
        .map(|(index, reaction)| Ok(Reaction { cause: reaction.cause, output: output(index, reaction.output)? }))
        .collect()
}

fn too_many(what: &str, found: usize, max: usize, limit: &str) -> GuestFault {
    GuestFault::BadOutput(format!("returned {found} {what}, at most {max} (limit `{limit}`)"))
}

/// What an output that is acted on holds. The others are refused whatever their size.
fn bytes(output: &bindings::Output) -> usize {
    let bindings::Output::Emit(event) = output else { return 0 };
    let tags: usize = event.tags.iter().map(String::len).sum();
    let options = event.content_type.as_ref().map_or(0, String::len) + event.key.as_ref().map_or(0, String::len);
    event.r#type.len() + event.subject.len() + event.data.len() + tags + options
}

fn output(index: usize, output: bindings::Output) -> Result<Output, GuestFault> {
    Ok(match output {
        bindings::Output::Emit(event) if event.time.is_some() => {
            return Err(GuestFault::BadOutput(format!(
                "output {index} gives a time, which only ingress functions may: it has its cause's time"
            )));
        }
        bindings::Output::Emit(event) => Output::Emit(EventDraft {
            r#type: event.r#type,
            subject: event.subject,
            tags: event.tags,
            content_type: event.content_type,
            data: event.data,
            key: event.key,
        }),
        bindings::Output::Command(_) => Output::Command,
        bindings::Output::Schedule(_) => Output::Schedule,
        bindings::Output::Cancel(_) => Output::Cancel,
        bindings::Output::Request(_) => Output::Request,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emit(data: Vec<u8>, time: Option<u64>) -> bindings::Reaction {
        let event = bindings::NewEvent { r#type: "a".into(), subject: "b".into(), tags: vec![], content_type: None, data, key: None, time };
        bindings::Reaction { cause: 0, output: bindings::Output::Emit(event) }
    }

    #[track_caller]
    fn refused(reactions: Vec<bindings::Reaction>, expected: &str) {
        let fault = accept(reactions).expect_err("refused").to_string();
        assert!(fault.contains(expected), "{fault}");
    }

    #[test]
    fn a_flood_of_outputs_is_refused_by_the_limit_s_name() {
        refused((0..=limits::OUTPUTS_PER_CALL_MAX).map(|_| emit(vec![], None)).collect(), "outputs-per-call");
        refused((0..9).map(|_| emit(vec![0; 1 << 20], None)).collect(), "output-bytes-per-call");
        refused(vec![emit(vec![], None), emit(vec![], Some(7))], "output 1 gives a time");
        assert_eq!(accept(vec![emit(vec![1], None)]).unwrap().len(), 1);
    }
}
