//! What a function returned, held against the limits and turned into the engine's words.

use retold_engine::model::{
    CommandDraft, EventDraft, Failure, GuestFault, IngressAnswer, Output, Payload, Reaction, Rejection, RequestDraft, StateError,
    TimerDraft, Timestamp, limits,
};

use super::bindings::{self, AcceptResult, DecideResult, EvolveResult, HandleResult, ProjectResult, QueryResult, UpcastResult};
use super::fault;

/// What `handle` returned. Nothing in it is copied. Whether types are declared and causes are in the
/// batch, the engine judges.
pub(super) fn reactions((result,): HandleResult) -> Result<Result<Vec<Reaction>, Failure>, GuestFault> {
    let reactions = match result {
        Ok(reactions) => reactions,
        Err(failed) => return Ok(Err(failure(failed))),
    };
    check_outputs(reactions.len(), reactions.iter().map(|reaction| output_bytes(&reaction.output)))?;
    let reactions = reactions
        .into_iter()
        .enumerate()
        .map(|(index, reaction)| Ok(Reaction { cause: reaction.cause, output: output(index, reaction.output)? }));
    reactions.collect::<Result<_, _>>().map(Ok)
}

/// What `decide` returned.
pub(super) fn decision((result,): DecideResult) -> Result<Result<Vec<EventDraft>, Rejection>, GuestFault> {
    match result {
        Ok(events) => {
            check_outputs(events.len(), events.iter().map(bytes))?;
            drafts(events).map(Ok)
        }
        Err(rejected) => rejection(rejected).map(Err),
    }
}

/// What `evolve` returned.
pub(super) fn state((result,): EvolveResult) -> Result<Result<Vec<u8>, Failure>, GuestFault> {
    match result {
        Ok(state) if state.len() > limits::STATE_VALUE_BYTES_MAX => Err(GuestFault::StateRefused(StateError::Limit {
            limit: "state-value-bytes",
            found: state.len(),
            max: limits::STATE_VALUE_BYTES_MAX,
        })),
        Ok(state) => Ok(Ok(state)),
        Err(failed) => Ok(Err(failure(failed))),
    }
}

/// What `project` returned.
pub(super) fn projected((result,): ProjectResult) -> Result<Result<(), Failure>, GuestFault> {
    Ok(result.map_err(failure))
}

/// What `query` returned.
pub(super) fn payload((result,): QueryResult) -> Result<Result<Payload, Rejection>, GuestFault> {
    let payload = match result {
        Ok(payload) => payload,
        Err(rejected) => return rejection(rejected).map(Err),
    };
    within("bytes of payload", payload.data.len(), limits::QUERY_PAYLOAD_BYTES_MAX, "query-payload-bytes")?;
    let content_type = &payload.content_type;
    within("bytes of content type", content_type.len(), limits::CONTENT_TYPE_BYTES_MAX, "content-type-bytes")?;
    // It becomes a line of a response's head.
    if content_type.is_empty() || !content_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(GuestFault::BadOutput(format!("returned the content type {content_type:?}: use one such as application/json")));
    }
    Ok(Ok(Payload { content_type: payload.content_type, data: payload.data }))
}

/// What `upcast` returned. Whether there is a list for each event, the engine judges.
pub(super) fn upcasted((result,): UpcastResult) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, GuestFault> {
    let lists = match result {
        Ok(lists) => lists,
        Err(failed) => return Ok(Err(failure(failed))),
    };
    check_outputs(lists.iter().map(Vec::len).sum(), lists.iter().flatten().map(bytes))?;
    lists.into_iter().map(drafts).collect::<Result<_, _>>().map(Ok)
}

/// What `accept` returned: events, which may say when they happened, or how the request is answered instead.
pub(super) fn accepted((result,): AcceptResult) -> Result<Result<Vec<EventDraft>, IngressAnswer>, GuestFault> {
    match result {
        Ok(events) => {
            check_outputs(events.len(), events.iter().map(bytes))?;
            Ok(Ok(events.into_iter().map(|event| EventDraft { time: event.time.map(Timestamp), ..plain_draft(event) }).collect()))
        }
        Err(answer) => {
            within("bytes of answer", answer.body.len(), limits::QUERY_PAYLOAD_BYTES_MAX, "query-payload-bytes")?;
            if !(200..=599).contains(&answer.status) {
                return Err(GuestFault::BadOutput(format!("returned the status {}: use 200 to 599", answer.status)));
            }
            let headers = answer.headers.into_iter().map(|header| (header.name, header.value)).collect();
            Ok(Err(IngressAnswer { status: answer.status, headers, body: answer.body }))
        }
    }
}

fn check_outputs(count: usize, each: impl Iterator<Item = usize>) -> Result<(), GuestFault> {
    within("outputs", count, limits::OUTPUTS_PER_CALL_MAX, "outputs-per-call")?;
    within("bytes of outputs", each.sum(), limits::OUTPUT_BYTES_PER_CALL_MAX, "output-bytes-per-call")
}

fn within(what: &str, found: usize, max: usize, limit: &str) -> Result<(), GuestFault> {
    if found <= max {
        return Ok(());
    }
    Err(GuestFault::BadOutput(format!("returned {found} {what}, at most {max} (limit `{limit}`)")))
}

fn bytes(event: &bindings::NewEvent) -> usize {
    let tags: usize = event.tags.iter().map(String::len).sum();
    let options = event.content_type.as_ref().map_or(0, String::len) + event.key.as_ref().map_or(0, String::len);
    event.r#type.len() + event.subject.len() + event.data.len() + tags + options
}

fn output_bytes(output: &bindings::Output) -> usize {
    match output {
        bindings::Output::Emit(event) => bytes(event),
        bindings::Output::Command(command) => command.r#type.len() + command.subject.len() + command.data.len(),
        bindings::Output::Schedule(timer) => timer.key.len() + timer.r#type.len() + timer.subject.len() + timer.data.len(),
        bindings::Output::Cancel(key) => key.len(),
        bindings::Output::Request(request) => {
            let headers: usize = request.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
            request.method.len() + request.url.len() + request.body.len() + headers
        }
    }
}

fn output(index: usize, output: bindings::Output) -> Result<Output, GuestFault> {
    Ok(match output {
        bindings::Output::Emit(event) => Output::Emit(draft(index, event)?),
        bindings::Output::Command(command) => Output::Command(CommandDraft {
            r#type: command.r#type,
            subject: command.subject,
            content_type: command.content_type,
            data: command.data,
            key: command.key,
        }),
        bindings::Output::Schedule(timer) => Output::Schedule(TimerDraft {
            key: timer.key,
            due: Timestamp(timer.due),
            r#type: timer.r#type,
            subject: timer.subject,
            data: timer.data,
        }),
        bindings::Output::Cancel(key) => Output::Cancel(key),
        bindings::Output::Request(request) => Output::Request(RequestDraft {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: request.body,
            key: request.key,
        }),
    })
}

fn drafts(events: Vec<bindings::NewEvent>) -> Result<Vec<EventDraft>, GuestFault> {
    events.into_iter().enumerate().map(|(index, event)| draft(index, event)).collect()
}

fn draft(index: usize, event: bindings::NewEvent) -> Result<EventDraft, GuestFault> {
    if event.time.is_some() {
        return Err(GuestFault::BadOutput(format!(
            "output {index} gives a time, which only ingress functions may: it has its cause's time"
        )));
    }
    Ok(plain_draft(event))
}

fn plain_draft(event: bindings::NewEvent) -> EventDraft {
    EventDraft {
        r#type: event.r#type,
        subject: event.subject,
        tags: event.tags,
        content_type: event.content_type,
        data: event.data,
        key: event.key,
        time: None,
    }
}

/// The message is cut, as a trap's is: it is kept with each parked event.
fn failure(failure: bindings::Failure) -> Failure {
    Failure { event: failure.event, kind: failure.kind.into(), message: fault::cut(failure.message) }
}

fn rejection(rejection: bindings::Rejection) -> Result<Rejection, GuestFault> {
    let bytes = rejection.code.len() + rejection.message.len() + rejection.data.len();
    within("bytes of rejection", bytes, limits::REJECTION_BYTES_MAX, "rejection-bytes")?;
    Ok(Rejection { code: rejection.code, message: rejection.message, data: rejection.data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: Vec<u8>, time: Option<u64>) -> bindings::NewEvent {
        bindings::NewEvent { r#type: "a".into(), subject: "b".into(), tags: vec![], content_type: None, data, key: None, time }
    }

    fn emit(data: Vec<u8>, time: Option<u64>) -> bindings::Reaction {
        bindings::Reaction { cause: 0, output: bindings::Output::Emit(event(data, time)) }
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(answer: Result<T, GuestFault>, expected: &str) {
        let fault = answer.expect_err("refused").to_string();
        assert!(fault.contains(expected), "{fault}");
    }

    #[test]
    fn a_flood_of_outputs_is_refused_by_the_limit_s_name() {
        let of = |list| reactions((Ok(list),));
        refused(of((0..=limits::OUTPUTS_PER_CALL_MAX).map(|_| emit(vec![], None)).collect()), "outputs-per-call");
        refused(of((0..9).map(|_| emit(vec![0; 1 << 20], None)).collect()), "output-bytes-per-call");
        refused(of(vec![emit(vec![], None), emit(vec![], Some(7))]), "output 1 gives a time");
        assert_eq!(of(vec![emit(vec![1], None)]).unwrap().unwrap().len(), 1);
    }

    #[test]
    fn a_flood_of_decided_or_upcast_events_is_refused_by_the_limit_s_name() {
        let many = || (0..=limits::OUTPUTS_PER_CALL_MAX).map(|_| event(vec![], None)).collect::<Vec<_>>();
        refused(decision((Ok(many()),)), "outputs-per-call");
        refused(upcasted((Ok(many().into_iter().map(|event| vec![event]).collect()),)), "outputs-per-call");
        let large = || (0..9).map(|_| event(vec![0; 1 << 20], None)).collect::<Vec<_>>();
        refused(decision((Ok(large()),)), "output-bytes-per-call");
        refused(upcasted((Ok(vec![large(), vec![]]),)), "output-bytes-per-call");
        refused(decision((Ok(vec![event(vec![], Some(0))]),)), "gives a time");
        refused(upcasted((Ok(vec![vec![event(vec![], Some(0))]]),)), "gives a time");
    }

    #[test]
    fn answers_of_one_value_are_held_against_their_limits() {
        refused(state((Ok(vec![0; limits::STATE_VALUE_BYTES_MAX + 1]),)), "state-value-bytes");
        assert!(state((Ok(vec![0; limits::STATE_VALUE_BYTES_MAX]),)).is_ok());

        let rejection = |bytes: usize| bindings::Rejection { code: "no".into(), message: "no".into(), data: vec![0; bytes - 4] };
        refused(decision((Err(rejection(limits::REJECTION_BYTES_MAX + 1)),)), "rejection-bytes");
        refused(payload((Err(rejection(limits::REJECTION_BYTES_MAX + 1)),)), "rejection-bytes");
        assert!(decision((Err(rejection(limits::REJECTION_BYTES_MAX)),)).is_ok());

        let of = |content_type: &str, bytes| payload((Ok(bindings::Payload { content_type: content_type.into(), data: vec![0; bytes] }),));
        refused(of("text/plain", limits::QUERY_PAYLOAD_BYTES_MAX + 1), "query-payload-bytes");
        refused(of(&"x".repeat(limits::CONTENT_TYPE_BYTES_MAX + 1), 0), "content-type-bytes");
        refused(of("", 0), "content type");
        refused(of("text/plain\r\nset-cookie: a=b", 0), "content type");
        assert!(of("text/plain; charset=utf-8", limits::QUERY_PAYLOAD_BYTES_MAX).is_ok());
    }

    #[test]
    fn a_failure_s_message_is_cut() {
        let failed = bindings::Failure { event: 0, kind: bindings::FailureKind::Reject, message: "é".repeat(1 << 20) };
        let failed = projected((Err(failed),)).unwrap().unwrap_err();
        assert!(failed.message.len() <= 1 << 10 && failed.message.starts_with('é'));
    }
}
