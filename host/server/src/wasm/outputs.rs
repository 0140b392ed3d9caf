//! What a function returned, held against the limits and turned into the engine's words.

use retold_engine::model::{
    CommandDraft, EventDraft, Failure, GuestFault, IngressAnswer, Output, Payload, Reaction, Rejection, RequestDraft, StateError,
    TimerDraft, Timestamp, limits,
};

use super::bindings::{self, AcceptResult, DecideResult, EvolveResult, HandleResult, ProjectResult, QueryResult, UpcastResult};
use super::fault;

/// What `handle` returned. Whether types are declared and causes are in the batch, the engine judges.
pub(super) fn reactions((result,): HandleResult) -> Result<Result<Vec<Reaction>, Failure>, GuestFault> {
    let bindings::Reactions { each, types, subjects, data, tags } = match result {
        Ok(reactions) => reactions,
        Err(failed) => return Ok(Err(failure(failed))),
    };
    within("outputs", each.len(), limits::OUTPUTS_PER_CALL_MAX, "outputs-per-call")?;
    let (mut pieces, mut bytes) = (Pieces { types, subjects, data, tags, subject_begin: 0, data_begin: 0, tags_begin: 0 }, 0);
    let mut reactions = Vec::with_capacity(each.len());
    for (index, bindings::Reaction { cause, output }) in each.into_iter().enumerate() {
        let output = pieces.output(index, output)?;
        // Before the next one takes memory.
        bytes += output_bytes(&output);
        within("bytes of outputs", bytes, limits::OUTPUT_BYTES_PER_CALL_MAX, "output-bytes-per-call")?;
        reactions.push(Reaction { cause, output });
    }
    Ok(Ok(reactions))
}

/// What the events of an answer are made of, and how much of it belongs to those before.
struct Pieces {
    types: Vec<String>,
    subjects: String,
    data: Vec<u8>,
    tags: Vec<String>,
    subject_begin: usize,
    data_begin: usize,
    tags_begin: usize,
}

impl Pieces {
    fn event(&mut self, index: usize, event: bindings::EmittedEvent) -> Result<EventDraft, GuestFault> {
        let bindings::EmittedEvent { r#type, subject_end, data_end, tags_end, content_type, key } = event;
        let wrong = |what: &str, end: u32| {
            GuestFault::BadOutput(format!("output {index} ends at {end} in `{what}`, which is no end of a part of it"))
        };
        let of_type = self.types.get(r#type as usize).ok_or_else(|| {
            GuestFault::BadOutput(format!("output {index} has the type number {type}, and `types` has {}", self.types.len()))
        })?;
        let subject = self.subjects.get(self.subject_begin..subject_end as usize).ok_or_else(|| wrong("subjects", subject_end))?;
        let data = self.data.get(self.data_begin..data_end as usize).ok_or_else(|| wrong("data", data_end))?;
        let tags = self.tags.get_mut(self.tags_begin..tags_end as usize).ok_or_else(|| wrong("tags", tags_end))?;
        let tags = tags.iter_mut().map(std::mem::take).collect();
        (self.subject_begin, self.data_begin, self.tags_begin) = (subject_end as usize, data_end as usize, tags_end as usize);
        let (r#type, subject, data) = (of_type.clone(), subject.to_owned(), data.to_owned());
        Ok(EventDraft { r#type, subject, tags, content_type, data, key, time: None })
    }

    fn output(&mut self, index: usize, output: bindings::Output) -> Result<Output, GuestFault> {
        Ok(match output {
            bindings::Output::Emit(event) => Output::Emit(self.event(index, event)?),
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

fn output_bytes(output: &Output) -> usize {
    match output {
        Output::Emit(event) => event_bytes(event),
        Output::Command(command) => command.r#type.len() + command.subject.len() + command.data.len(),
        Output::Schedule(timer) => timer.key.len() + timer.r#type.len() + timer.subject.len() + timer.data.len(),
        Output::Cancel(key) => key.len(),
        Output::Request(request) => {
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
    fn outputs_are_cut_out_of_their_pieces_and_what_does_not_lie_in_them_is_refused() {
        let told = |answer: bindings::Reactions| {
            let event = |reaction: Reaction| match reaction.output {
                Output::Emit(event) => (reaction.cause, event.r#type, event.subject, event.data, event.tags.concat()),
                other => panic!("{other:?}"),
            };
            reactions((Ok(answer),)).unwrap().unwrap().into_iter().map(event).collect::<Vec<_>>()
        };
        let mut beside = emitted(&[b"1", b"22", b""]);
        let expected = [(0, "a", "x", &b"1"[..], ""), (1, "bb", "é", b"22", "1"), (2, "a", "x", b"", "2")]
            .map(|(cause, of, subject, data, tags)| (cause, of.to_owned(), subject.to_owned(), data.to_vec(), tags.to_owned()));
        assert_eq!(told(emitted(&[b"1", b"22", b""])), expected);
        // What is no event takes nothing out of the pieces.
        beside.each.insert(1, bindings::Reaction { cause: 0, output: bindings::Output::Cancel("k".into()) });
        let count = reactions((Ok(beside),)).unwrap().unwrap().into_iter().filter(|it| matches!(it.output, Output::Emit(_))).count();
        assert_eq!(count, 3);

        let broken = |change: &dyn Fn(&mut bindings::EmittedEvent)| {
            let mut answer = emitted(&[b"1", b"22"]);
            let bindings::Output::Emit(event) = &mut answer.each[1].output else { panic!("an event") };
            change(event);
            reactions((Ok(answer),))
        };
        refused(broken(&|event| event.r#type = 2), "output 1 has the type number 2, and `types` has 2");
        // Inside the letter, before its beginning, behind the end.
        for end in [2, 0, 4, u32::MAX] {
            refused(broken(&|event| event.subject_end = end), &format!("output 1 ends at {end} in `subjects`"));
        }
        for end in [0, 4, u32::MAX] {
            refused(broken(&|event| event.data_end = end), &format!("output 1 ends at {end} in `data`"));
        }
        refused(broken(&|event| event.tags_end = 2), "output 1 ends at 2 in `tags`");
        assert!(broken(&|_| {}).is_ok());
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
