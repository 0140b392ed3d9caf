//! One command that a function sent: what its aggregate answers, as entries of the log. A rejection is an event
//! for the function that sent it.

use super::aggregate::{Decided, ask};
use super::fold::{AggregateFault, Folding, Hot};
use super::handler::{Fault, Stopped};
use crate::model::{
    ADDRESSEE, COMMAND_REFUSED, DerivedId, Emitted, EventDraft, EventRef, Kind, NewEvent, OutputKind, Position, Rejection, decided,
    derived_id, function_of,
};
use crate::store::json_text;

pub enum Answered {
    Made(Vec<Emitted>),
    Stopped(Stopped),
}

/// Asks the aggregate. `place` is about where its events will stand: it must be able to fold them.
pub fn answer(folding: &mut Folding<'_>, command: &EventRef<'_>, hot: &mut Hot, place: Position) -> Answered {
    if !folding.row.manifest.decides.iter().any(|decides| decides == command.r#type) {
        let message = format!("commands of type {:?} are no longer among what it decides", command.r#type);
        return Answered::Stopped(Stopped::Failed(Fault { reason: "undeclared", message, retry: false }));
    }
    let asked = as_asked(command);
    let fresh = folding.guest.one_event_a_call();
    let answered = match ask(folding, &asked, hot, place, command.time, fresh) {
        // The judgement is by an instance that nothing ran in before.
        Decided::Failed(_) if !fresh => ask(folding, &asked, hot, place, command.time, true),
        answered => answered,
    };
    match answered {
        Decided::Propose(decision) => Answered::Made(made(folding, command, &asked, &decision.events)),
        Decided::Rejected(rejection) => Answered::Made(vec![refused(&folding.row.name, command, &rejection)]),
        Decided::Failed(fault) => Answered::Stopped(Stopped::Failed(fault.into())),
        Decided::Unavailable(why) => Answered::Stopped(Stopped::Unavailable(why)),
        Decided::Known { .. } | Decided::Refused(_) => unreachable!("nobody looked whether it is known, or who runs"),
    }
}

/// Asks twice, the second time in an instance that nothing ran in before. Says how the answers differ; where one
/// of them is none, it is not for this to judge.
pub fn answers_alike(folding: &mut Folding<'_>, command: &EventRef<'_>, hot: &mut Hot) -> Option<String> {
    let asked = as_asked(command);
    let place = command.position.next();
    let mut once = |fresh| match ask(folding, &asked, hot, place, command.time, fresh) {
        Decided::Propose(decision) => Some(Ok(decision.events)),
        Decided::Rejected(rejection) => Some(Err(rejection)),
        _ => None,
    };
    let (one, other) = (once(false)?, once(true)?);
    (one != other).then(|| format!("the command was answered {one:?}, and in a fresh instance {other:?}"))
}

/// The command as those from outside are asked.
fn as_asked(command: &EventRef<'_>) -> NewEvent {
    NewEvent {
        id: command.id.to_owned(),
        source: command.source.to_owned(),
        r#type: command.r#type.to_owned(),
        subject: command.subject.to_owned(),
        time: Some(command.time),
        content_type: command.content_type.to_owned(),
        data: command.data.to_vec(),
        correlation_id: Some(command.correlation().to_owned()),
        ..NewEvent::default()
    }
}

fn made(folding: &Folding<'_>, command: &EventRef<'_>, asked: &NewEvent, drafts: &[EventDraft]) -> Vec<Emitted> {
    let made = decided(&folding.row.manifest, asked, command.position, command.time, drafts);
    let mut made = made.expect("it was looked at when the aggregate answered");
    made.iter_mut().for_each(|made| made.hops = command.hops.saturating_add(1));
    made
}

fn refused(aggregate: &str, command: &EventRef<'_>, rejection: &Rejection) -> Emitted {
    let id = derived_id(&DerivedId {
        cause_source: command.source,
        cause_id: command.id,
        function: aggregate,
        kind: OutputKind::Event,
        r#type: COMMAND_REFUSED,
        subject: command.subject,
        key: None,
        ordinal: 0,
    });
    let addressee = function_of(command.source).unwrap_or_default().to_owned();
    Emitted {
        kind: Kind::Event,
        id,
        r#type: COMMAND_REFUSED.to_owned(),
        subject: command.subject.to_owned(),
        tags: Vec::new(),
        extensions: vec![(ADDRESSEE.to_owned(), addressee)],
        content_type: "application/json".into(),
        data: refusal_json(command, rejection).into_bytes(),
        time: command.time,
        hops: command.hops.saturating_add(1),
        cause: command.position,
        causation_id: command.id.to_owned(),
        correlation_id: command.correlation().to_owned(),
    }
}

/// What the sender reads of it: nothing that differs between generations of a log, such as a position.
fn refusal_json(command: &EventRef<'_>, rejection: &Rejection) -> String {
    let mut json = format!(
        "{{\"command\":{{\"type\":{},\"id\":{}}},\"code\":{},\"message\":{}",
        json_text(command.r#type),
        json_text(command.id),
        json_text(&rejection.code),
        json_text(&rejection.message),
    );
    if let Ok(data) = std::str::from_utf8(&rejection.data)
        && !data.is_empty()
    {
        json.push_str(&format!(",\"data\":{}", json_text(data)));
    }
    json.push('}');
    json
}

impl From<AggregateFault> for Fault {
    fn from(AggregateFault { reason, message, .. }: AggregateFault) -> Fault {
        Fault { reason, message, retry: reason != "reject" }
    }
}
