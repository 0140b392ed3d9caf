//! Clients with commands: each with states of its own that may be old, with replies that are lost and
//! requests that are doubled, asking again without a bound.

use std::collections::BTreeMap;

use retold_engine::model::{Kind, NewEvent, Position, Timestamp};
use retold_engine::run::{Decided, Hot, Reading, decide, fold};
use retold_engine::store::{Proposal, Refused};

use crate::chance::Chance;
use crate::judge;
use crate::model::{Model, Status};
use crate::options::Options;
use crate::stock::{self, Stocks};
use crate::world::{From, Host, Pending, PowerLost, World};

/// What clients keep of the states that they folded, as long as the host lives.
pub type Hots = BTreeMap<(u64, String, String), Option<Hot>>;

const CLIENTS: u64 = 3;
const SENT_MAX: usize = 60;

#[derive(Debug, Default)]
pub struct Desk {
    next: u64,
    /// What was asked before, whatever became of it.
    sent: Vec<NewEvent>,
}

impl Desk {
    fn command(&mut self, options: &Options, chance: &mut Chance) -> NewEvent {
        if chance.percent(25) && !self.sent.is_empty() {
            let mut again = chance.pick(&self.sent).clone();
            match chance.below(8) {
                0 => again.data.push(b'!'),
                1 => again.time = Some(Timestamp(chance.number() >> 20)),
                _ => {}
            }
            return again;
        }
        self.next += 1;
        let command = NewEvent {
            id: format!("c{}", self.next),
            source: "/desk".into(),
            r#type: chance.pick(&["stock.add", "stock.take", "stock.take"]).to_string(),
            subject: subject(options, chance),
            time: chance.percent(30).then(|| Timestamp(chance.number() >> 14)),
            content_type: "application/json".into(),
            data: [&[b'.', chance.number() as u8, chance.number() as u8], options.tag.as_bytes()].concat(),
            tags: if chance.percent(30) { vec!["t1".into()] } else { Vec::new() },
            extensions: Vec::new(),
            causation_id: None,
            correlation_id: chance.percent(20).then(|| "story 1".into()),
        };
        self.sent.push(command.clone());
        if self.sent.len() > SENT_MAX {
            self.sent.remove(0);
        }
        command
    }
}

/// The same subjects as those of plain events, but for the empty one.
pub fn subject(options: &Options, chance: &mut Chance) -> String {
    let number = chance.between(1, options.subjects);
    format!("s{}/{}", number % 3, number)
}

impl World {
    /// Somebody asks an aggregate.
    pub fn command(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        let command = self.desk.command(&self.options, &mut self.chance);
        let function = decider(&self.model);
        let fresh = host.store.reader().snapshot().or_else(|error| self.lost(&error))?;
        let stale = !host.held.is_empty() && self.chance.percent(self.options.stale_snapshots);
        let snapshot = if stale { self.chance.pick(&host.held) } else { &fresh };
        let stocks = Stocks::new(&self.model, self.chance.split(), self.options.unavailable);
        let key = (self.chance.below(CLIENTS), function.clone(), command.subject.clone());
        if self.chance.percent(10) {
            host.hots.remove(&key);
        }
        let hot = host.hots.entry(key).or_default();
        let decided = match decide(&Reading::new(snapshot, &stocks), &function, &command, hot, self.now, &mut |_, _| {}) {
            Ok(decided) => decided,
            Err(error) => return self.lost(&error),
        };
        self.note(&decided);
        let version = snapshot.function(&function).map(|row| self.model.modules[&row.module].version);
        let expected = |hot: &Option<Hot>| {
            let at = hot.as_ref().expect("it was folded").position();
            let level = self.model.level(&function, &command.subject, at).stock.level;
            stock::decide(version.expect("it runs"), &command.r#type, &command.data, level)
        };
        match decided {
            Decided::Known { command: at, events } => {
                let (first, position, given) = &self.model.asked[&(command.source.clone(), command.id.clone())];
                assert!(judge::same(first, &command));
                assert_eq!((at, &events), (*position, given), "a repeat gets its first answer");
                self.counts.repeated += 1;
            }
            Decided::Propose(mut decision) => {
                assert_eq!(Ok(decision.events.clone()), expected(hot), "{command:?}");
                if self.chance.percent(20) {
                    decision.snapshot = hot.as_ref().and_then(Hot::snapshot);
                }
                let times = [0, 1, 1, 1, 1, 1, 1, 2][self.chance.index(8)];
                for _ in 0..times {
                    let proposal = Proposal::Decide((*decision).clone());
                    host.inbox.push_back(Pending { proposal, from: From::Outside });
                }
            }
            Decided::Rejected(rejection) => {
                assert_eq!(Err(rejection), expected(hot), "{command:?}");
                let kept = hot.as_ref().and_then(Hot::snapshot).filter(|_| self.chance.percent(30));
                host.inbox.extend(kept.map(|kept| Pending { proposal: Proposal::Snapshot(kept), from: From::Outside }));
            }
            Decided::Refused(Refused::Content { position, .. }) => {
                assert_eq!(self.model.event(position).kind, Kind::Command);
                let (first, ..) = &self.model.asked[&(command.source.clone(), command.id.clone())];
                assert!(!judge::same(first, &command), "{command:?} is the same as {first:?}");
            }
            Decided::Refused(Refused::NotRunning { .. } | Refused::UnknownFunction(_)) => {
                let runs = self.model.functions.get(&function).is_some_and(|row| row.status == Status::Active);
                assert!(stale || !runs);
            }
            Decided::Unavailable(_) if self.options.unavailable > 0 => {}
            other => panic!("{command:?} was answered {other:?}"),
        }
        Ok(())
    }

    /// Somebody asks for the state of a subject, now or as it was.
    pub fn ask_state(&mut self, host: &mut Host) -> Result<(), PowerLost> {
        let subject = subject(&self.options, &mut self.chance);
        let function = decider(&self.model);
        let snapshot = host.store.reader().snapshot().or_else(|error| self.lost(&error))?;
        let Some(row) = snapshot.function(&function) else { return Ok(()) };
        let version = self.model.modules[&row.module].version;
        let stocks = Stocks::new(&self.model, self.chance.split(), 0);
        let key = (self.chance.below(CLIENTS), function.clone(), subject.clone());
        let mut cold = None;
        let hot = if self.chance.percent(50) { host.hots.entry(key).or_default() } else { &mut cold };
        let before = hot.as_ref().map(Hot::position);
        let head = snapshot.head();
        let at = self.chance.percent(50).then(|| Position(self.chance.below(head.0 + 2)));
        let folded = match fold(&Reading::new(&snapshot, &stocks), &function, &subject, at, hot, &mut |_, _| {}) {
            Ok(folded) => folded.expect("the stock can be folded"),
            Err(error) => return self.lost(&error),
        };
        let expected = self.model.level(&function, &subject, at.unwrap_or(head));
        assert_eq!((folded.events, folded.position), (expected.events, expected.last), "of {subject} at {at:?}");
        assert_eq!(folded.state, (expected.events > 0).then(|| expected.stock.state(version)), "of {subject} at {at:?}");
        if at.is_some_and(|at| at < head) {
            assert_eq!(hot.as_ref().map(Hot::position), before, "the past disturbed the present");
        }
        Ok(())
    }
}

/// The aggregate that takes the commands, or one that isn't there.
pub fn decider(model: &Model) -> String {
    let deciders = model.functions.iter().filter(|(name, row)| !row.function.decides.is_empty() && *name != "pushed");
    let runs = deciders.clone().find(|(_, row)| row.status != Status::Retired);
    runs.or(deciders.clone().next()).map_or("stock".into(), |(name, _)| name.clone())
}
