//! Deciding a command: known or new, on the subject's state as it stands, with an answer that the
//! writer accepts or that is decided again.

use super::fold::{AggregateFault, Folding, Hot, Stopped, why};
use super::reading::Reading;
use crate::model::{
    AggregateCall, CommandRef, Emitted, EventRef, LogLevel, NewEvent, Position, RecordBuilder, Rejection, Timestamp, aggregate_source,
    decided,
};
use crate::store::{self, Decision, FunctionRow, FunctionStatus, Refused, StoreError, check_command};

/// What follows from a command.
#[derive(Clone, Debug)]
pub enum Decided {
    /// Propose it as [`store::Proposal::Decide`]. Refused as a conflict or as stale: decide again on a
    /// new snapshot.
    Propose(Box<Decision>),
    /// It was accepted before: this is its first answer.
    Known {
        command: Position,
        events: Vec<Position>,
    },
    /// The aggregate refuses it, in its own words. Nothing is recorded.
    Rejected(Rejection),
    Failed(AggregateFault),
    /// Nobody was asked.
    Refused(Refused),
    /// The host could not run it: nothing is known of the command, try again.
    Unavailable(String),
}

/// Decides `command` on the state at the snapshot's head, or where `hot` is if that is later. `hot` is
/// the caller's to keep by aggregate and subject, and to drop; what it costs then is another fold.
pub fn decide(
    reading: &Reading<'_>,
    function: &str,
    command: &NewEvent,
    hot: &mut Option<Hot>,
    now: Timestamp,
    log: &mut dyn FnMut(LogLevel, &str),
) -> Result<Decided, StoreError> {
    if let Err(refused) = check_command(command) {
        return Ok(Decided::Refused(refused));
    }
    // A repeat gets its first answer, whatever runs by now.
    match reading.snapshot.find_command(command)? {
        None => {}
        Some(Ok(store::Decided { command, events, .. })) => return Ok(Decided::Known { command, events }),
        Some(Err(refused)) => return Ok(Decided::Refused(refused)),
    }
    let Some(row) = reading.snapshot.function(function) else {
        return Ok(Decided::Refused(Refused::UnknownFunction(function.to_owned())));
    };
    if let Some(refused) = not_running(row, command) {
        return Ok(Decided::Refused(refused));
    }
    let mut folding = match Folding::new(reading, function, &command.subject, log) {
        Ok(folding) => folding,
        Err(fault) => return Ok(Decided::Unavailable(fault.message)),
    };
    let hot = match folding.bring_level(hot, reading.snapshot.head())? {
        Ok(hot) => hot,
        Err(Stopped::Fault(fault)) => return Ok(Decided::Failed(fault)),
        Err(Stopped::Unavailable(why)) => return Ok(Decided::Unavailable(why)),
    };
    let (fresh, place) = (folding.guest.one_event_a_call(), reading.snapshot.head().next());
    Ok(match ask(&mut folding, command, hot, place, now, fresh) {
        // The judgement is by an instance that nothing ran in before.
        Decided::Failed(_) if !fresh => ask(&mut folding, command, hot, place, now, true),
        decided => decided,
    })
}

fn not_running(row: &FunctionRow, command: &NewEvent) -> Option<Refused> {
    let why = match &row.status {
        FunctionStatus::Active if row.manifest.decides.contains(&command.r#type) => return None,
        FunctionStatus::Active => {
            let what = format!("is {:?}, which {} doesn't decide: see its manifest", command.r#type, row.name);
            return Some(Refused::Field { index: 0, field: "type", what });
        }
        FunctionStatus::Paused => "it is paused: resume it, then send the command again",
        FunctionStatus::Halted { .. } => "it is halted: resume it, then send the command again",
        FunctionStatus::Retired => "it is retired: deploy a module version that has it",
    };
    Some(Refused::NotRunning { function: row.name.clone(), why })
}

/// `place` is about where the command, or what follows from it, will stand.
pub(super) fn ask(
    folding: &mut Folding<'_>,
    command: &NewEvent,
    hot: &mut Hot,
    place: Position,
    now: Timestamp,
    fresh_instance: bool,
) -> Decided {
    let (guest, row) = (folding.guest.clone(), folding.row.clone());
    let call = AggregateCall { function: &row.name, subject: &command.subject, state: hot.state() };
    let asked = CommandRef {
        id: &command.id,
        source: &command.source,
        r#type: &command.r#type,
        subject: &command.subject,
        time: command.time.unwrap_or(now),
        content_type: &command.content_type,
        data: &command.data,
    };
    let limits = folding.limits(fresh_instance);
    let events = match guest.decide(&call, &asked, &limits, &mut folding.calls()) {
        Ok(Ok(events)) => events,
        Ok(Err(rejection)) => return Decided::Rejected(rejection),
        Err(not_answered) => {
            return match why(not_answered) {
                Ok(fault) => Decided::Failed(AggregateFault { reason: fault.reason, message: fault.message, position: None }),
                Err(why) => Decided::Unavailable(why),
            };
        }
    };
    let made = match decided(&row.manifest, command, Position::START, now, &events) {
        Ok(made) => made,
        Err(wrong) => return Decided::Failed(AggregateFault { reason: wrong.reason, message: wrong.to_string(), position: None }),
    };
    if let Err(decided) = foldable(folding, command, &made, hot, (place, now)) {
        return decided;
    }
    Decided::Propose(Box::new(Decision {
        function: row.name.clone(),
        module: row.module,
        epoch: row.epoch,
        command: command.clone(),
        time: now,
        events,
        folded: hot.position(),
        snapshot: hot.snapshot_due(),
    }))
}

/// Whether the aggregate can fold what it decided: once that is recorded, an event that it can't fold would
/// stop its subject until the code is mended. What is folded here is thrown away: the events' positions are
/// not known yet.
fn foldable(
    folding: &mut Folding<'_>,
    command: &NewEvent,
    made: &[Emitted],
    hot: &Hot,
    (place, now): (Position, Timestamp),
) -> Result<(), Decided> {
    let row = folding.row.clone();
    let mut record = RecordBuilder::new(0, place, now);
    record.add_command(command, now);
    let source = aggregate_source(&row.name);
    let places: Vec<Position> = made.iter().map(|event| record.add_decided(&source, row.module, event)).collect();
    let events: Vec<EventRef<'_>> =
        places.iter().filter_map(|place| record.event(*place)).filter(|event| folding.folds_as_is(event.r#type)).collect();
    match folding.run(&mut hot.clone(), &events) {
        Ok(()) => Ok(()),
        Err(Stopped::Fault(fault)) => {
            let message = format!("it can't fold what it decided: {}", fault.message);
            Err(Decided::Failed(AggregateFault { message, position: None, ..fault }))
        }
        Err(Stopped::Unavailable(why)) => Err(Decided::Unavailable(why)),
    }
}
