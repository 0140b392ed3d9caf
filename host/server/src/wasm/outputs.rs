//! What a function returned, held against the limits and turned into the engine's words.

use retold_engine::model::{
    CommandDraft, Ends, EventDraft, Failure, GuestFault, IngressAnswer, Output, OutputRef, Payload, Reaction, Reactions, Rejection,
    RequestDraft, StateError, TimerDraft, Timestamp, limits,
};

use super::bindings::{self, AcceptResult, DecideResult, EvolveResult, HandleResult, ProjectResult, QueryResult, UpcastResult};
use super::fault;

/// What `handle` returned. Whether types are declared and causes are in the batch, the engine judges.
pub(super) fn reactions((result,): HandleResult) -> Result<Result<Reactions, Failure>, GuestFault> {
    let bindings::Reactions { each, types, subjects, data, tags } = match result {
        Ok(reactions) => reactions,
        Err(failed) => return Ok(Err(failure(failed))),
    };
    within("outputs", each.len(), limits::OUTPUTS_PER_CALL_MAX, "outputs-per-call")?;
    let mut reactions = Reactions::in_pieces(each.len(), types, subjects, data, tags);
    for (index, bindings::Reaction { cause, output }) in each.into_iter().enumerate() {
        let output = match output {
            bindings::Output::Emit(event) => {
                reactions.emit(cause, event.into()).map_err(|misplaced| GuestFault::BadOutput(format!("output {index} {misplaced}")))?;
                continue;
            }
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
        };
        reactions.push(Reaction { cause, output });
    }
    let bytes = reactions.iter().map(|(_, output)| output_bytes(output)).sum();
    within("bytes of outputs", bytes, limits::OUTPUT_BYTES_PER_CALL_MAX, "output-bytes-per-call")?;
    Ok(Ok(reactions))
}

impl From<bindings::EmittedEvent> for Ends {
    fn from(event: bindings::EmittedEvent) -> Ends {
        let bindings::EmittedEvent { r#type, subject_end, data_end, tags_end, content_type, key } = event;
        Ends { r#type, subject_end, data_end, tags_end, content_type, key }
    }
}

/// What `decide` returned.
pub(super) fn decision((result,): DecideResult) -> Result<Result<Vec<EventDraft>, Rejection>, GuestFault> {
    match result {
        Ok(events) => {
            let drafts = drafts(events)?;
            check_outputs(drafts.len(), drafts.iter().map(event_bytes))?;
            Ok(Ok(drafts))
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
    let lists = lists.into_iter().map(drafts).collect::<Result<Vec<_>, _>>()?;
    check_outputs(lists.iter().map(Vec::len).sum(), lists.iter().flatten().map(event_bytes))?;
    Ok(Ok(lists))
}

/// What `accept` returned: events, which may say when they happened, or how the request is answered instead.
pub(super) fn accepted((result,): AcceptResult) -> Result<Result<Vec<EventDraft>, IngressAnswer>, GuestFault> {
    match result {
        Ok(events) => {
            let timed = |event: bindings::NewEvent| EventDraft { time: event.time.map(Timestamp), ..plain_draft(event) };
            let drafts: Vec<_> = events.into_iter().map(timed).collect();
            check_outputs(drafts.len(), drafts.iter().map(event_bytes))?;
            Ok(Ok(drafts))
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

fn event_bytes(event: &EventDraft) -> usize {
    let tags: usize = event.tags.iter().map(String::len).sum();
    let options = event.content_type.as_ref().map_or(0, String::len) + event.key.as_ref().map_or(0, String::len);
    event.r#type.len() + event.subject.len() + event.data.len() + tags + options
}

fn output_bytes(output: OutputRef<'_>) -> usize {
    match output {
        OutputRef::Emit(event) => {
            let tags: usize = event.tags.iter().map(String::len).sum();
            let options = event.content_type.map_or(0, str::len) + event.key.map_or(0, str::len);
            event.r#type.len() + event.subject.len() + event.data.len() + tags + options
        }
        OutputRef::Command(command) => command.r#type.len() + command.subject.len() + command.data.len(),
        OutputRef::Schedule(timer) => timer.key.len() + timer.r#type.len() + timer.subject.len() + timer.data.len(),
        OutputRef::Cancel(key) => key.len(),
        OutputRef::Request(request) => {
            let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            request.method.len() + request.url.len() + request.body.len() + headers
        }
    }
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

    /// Events of type `a` and `bb`, about `x` and `é`, with these data; all but the first have a tag.
    fn emitted(data: &[&[u8]]) -> bindings::Reactions {
        let (mut subjects, mut all) = (String::new(), Vec::new());
        let each = data.iter().enumerate().map(|(index, data)| {
            subjects.push_str(["x", "é"][index % 2]);
            all.extend_from_slice(data);
            let (subject_end, data_end) = (subjects.len() as u32, all.len() as u32);
            let (tags_end, content_type, key) = (index as u32, None, None);
            let event = bindings::EmittedEvent { r#type: index as u32 % 2, subject_end, data_end, tags_end, content_type, key };
            bindings::Reaction { cause: index as u32, output: bindings::Output::Emit(event) }
        });
        let tags = (1..data.len()).map(|index| index.to_string()).collect();
        bindings::Reactions { each: each.collect(), types: vec!["a".into(), "bb".into()], subjects, data: all, tags }
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(answer: Result<T, GuestFault>, expected: &str) {
        let fault = answer.expect_err("refused").to_string();
        assert!(fault.contains(expected), "{fault}");
    }

    #[test]
    fn a_flood_of_outputs_is_refused_by_the_limit_s_name() {
        let of = |data: &[&[u8]]| reactions((Ok(emitted(data)),));
        refused(of(&vec![&[][..]; limits::OUTPUTS_PER_CALL_MAX + 1]), "outputs-per-call");
        refused(of(&[&[0; 1 << 20][..]; 9]), "output-bytes-per-call");
        assert_eq!(of(&[&[1]]).unwrap().unwrap().len(), 1);
        // A long type counts for each event that has it.
        let types = vec!["a".repeat(5 << 20), "b".repeat(5 << 20)];
        refused(reactions((Ok(bindings::Reactions { types, ..emitted(&[b"1", b"2"]) }),)), "output-bytes-per-call");
    }

    #[test]
    fn an_output_that_does_not_lie_in_the_pieces_is_refused_by_its_number() {
        let broken = |change: &dyn Fn(&mut bindings::EmittedEvent)| {
            let mut answer = emitted(&[b"1", b"22"]);
            let bindings::Output::Emit(event) = &mut answer.each[1].output else { panic!("an event") };
            change(event);
            reactions((Ok(answer),))
        };
        refused(broken(&|event| event.r#type = 2), "output 1 has the type number 2, and `types` has 2");
        // Inside a letter.
        refused(broken(&|event| event.subject_end = 2), "output 1 ends at 2 in `subjects`");
        refused(broken(&|event| event.data_end = 4), "output 1 ends at 4 in `data`");
        refused(broken(&|event| event.tags_end = 2), "output 1 ends at 2 in `tags`");
        let told = broken(&|_| {}).unwrap().unwrap();
        let event = |output| match output {
            OutputRef::Emit(event) => (event.r#type, event.subject, event.data, event.tags.concat()),
            other => panic!("{other:?}"),
        };
        let told: Vec<_> = told.iter().map(|(_, output)| event(output)).collect();
        assert_eq!(told, [("a", "x", &b"1"[..], String::new()), ("bb", "é", b"22", "1".into())]);
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
