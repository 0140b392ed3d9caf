//! What a client, the functions, the housekeeper and whoever retells do with two generations of a log.

use std::sync::Arc;

use retold_engine::model::{FunctionKind, NewEvent, Timestamp};
use retold_engine::run::{Comparison, ComparisonStep, Ending, Reading, Retold, Runner, Settled, Step};
use retold_engine::store::{Accepted, Append, CursorMap, Folder, Proposal, Refused, Store, StoreError};

use crate::generations::{Act, Codes, Land, Life, MAIN, Sent};
use crate::guests::mark;
use crate::stock;
use crate::world::PowerLost;

impl Land {
    pub fn act(&mut self, life: &mut Life, act: Act) -> Result<(), PowerLost> {
        let done = match act {
            Act::Append(events) => self.append(life, events),
            Act::Ask => self.ask(life),
            Act::Release => self.release(life),
            Act::Work => self.work(life).map(drop),
            Act::Seal(live) => seal(if live == self.promoted { &mut life.target } else { &mut life.base }),
            Act::Tell(_) | Act::Compare | Act::Promote if self.promoted => Ok(()),
            Act::Tell(units) => self.tell(life, units, Ending::WholeRecords).map(drop),
            Act::Compare => self.compare(life, 40).map(drop),
            Act::Promote => self.promote(life),
        };
        if !self.promoted {
            self.base_head = self.base_head.max(life.base.head());
        }
        match done {
            Ok(()) if self.has_power() => Ok(()),
            Ok(()) => Err(PowerLost),
            Err(error) => self.lost(&error),
        }
    }

    fn append(&mut self, life: &mut Life, events: u64) -> Result<(), StoreError> {
        let first = self.sent.iter().position(|sent| !sent.acknowledged).unwrap_or(self.sent.len());
        self.counts.repeated += (self.sent.len() - first) as u64;
        for _ in 0..events {
            let event = self.draw_event();
            self.sent.push(Sent { event, acknowledged: false });
        }
        // One by one, as one that was erased for good is refused.
        let now = Timestamp(1_000_000 * self.sent.len() as u64);
        let proposals: Vec<Proposal> = self.sent[first..]
            .iter()
            .map(|sent| Proposal::Append(Append { events: vec![sent.event.clone()], ..Append::default() }))
            .collect();
        let committed = self.live(life).commit(proposals, now)?;
        for (sent, answer) in self.sent[first..].iter_mut().zip(&committed.answers) {
            match answer {
                Ok(Accepted::Appended(_)) => {}
                Err(Refused::Forgotten { .. }) => assert!(self.promoted && sent.event.subject == "s/0"),
                other => panic!("an append was answered {other:?}"),
            }
            sent.acknowledged = true;
        }
        Ok(())
    }

    fn draw_event(&mut self) -> NewEvent {
        let r#type = (*self.chance.pick(&["a.small", "a.wide", "b.one", "c.one", stock::OLD])).to_owned();
        let mark = if r#type == "c.one" && self.chance.percent(20) { mark::REJECT } else { b'.' };
        NewEvent {
            id: self.sent.len().to_string(),
            source: "/client".into(),
            r#type,
            subject: format!("s/{}", self.chance.below(4)),
            content_type: "text/plain".into(),
            data: vec![mark, self.chance.below(6) as u8],
            ..NewEvent::default()
        }
    }

    pub fn live<'a>(&self, life: &'a mut Life) -> &'a mut Store {
        if self.promoted { &mut life.target } else { &mut life.base }
    }

    /// Answers whether a function had anything to do.
    pub fn work(&mut self, life: &mut Life) -> Result<bool, StoreError> {
        let store = if self.promoted { &mut life.target } else { &mut life.base };
        let (snapshot, codes) = (store.reader().snapshot()?, Codes::of(store));
        let mut plans = Vec::new();
        for row in snapshot.functions().filter(|row| row.manifest.kind == FunctionKind::Handler) {
            let runner = life.runners.entry(row.name.clone()).or_insert_with(|| Runner::new(&row.name));
            if let Step::Plan(ticket, plan) = runner.step(&Reading::new(&snapshot, &codes), Timestamp(1), &mut |_, _| {})? {
                plans.push((row.name.clone(), ticket, Proposal::Reaction(*plan)));
            }
        }
        let committed = store.commit(plans.iter().map(|(_, _, plan)| plan.clone()), Timestamp(1))?;
        for ((function, ticket, _), answer) in plans.iter().zip(&committed.answers) {
            assert!(answer.is_ok(), "{function} was answered {answer:?}");
            life.runners.get_mut(function).expect("it made a plan").settled(*ticket, Settled::Committed);
        }
        Ok(!plans.is_empty())
    }

    /// One step of the retelling. Answers whether it told something.
    fn tell(&mut self, life: &mut Life, units: usize, ending: Ending) -> Result<bool, StoreError> {
        let step = life.retelling.step(&life.base.reader().snapshot()?, &life.target.reader(), &Codes::of(&life.target), units, ending)?;
        match step {
            Retold::Begin { deployments, recorded } => {
                let committed = life.target.commit(deployments.into_iter().map(Proposal::Deploy), recorded)?;
                assert!(committed.answers.iter().all(Result::is_ok), "{:?}", committed.answers);
            }
            Retold::Commits { mut commits, .. } => {
                // Some may get lost on the way.
                if ending == Ending::WholeRecords && self.chance.percent(30) {
                    commits.truncate(self.chance.between(0, commits.len() as u64) as usize);
                }
                self.counts.told += commits.len() as u64;
                life.target.follow(commits)?;
            }
            Retold::Waits | Retold::Level => return Ok(false),
            other => panic!("the retelling came to {other:?}"),
        }
        Ok(true)
    }

    /// Compares the logs and maps cursors. Answers whether nothing is left.
    fn compare(&mut self, life: &mut Life, entries: u64) -> Result<bool, StoreError> {
        if life.comparing.is_none() {
            let map = self.open_map(life)?;
            let comparison = Comparison::of(&map)?;
            life.comparing = Some((map, comparison));
        }
        let Some((map, comparison)) = &mut life.comparing else { unreachable!("it was just opened") };
        let (old, new) = (life.base.reader().snapshot()?, life.target.reader().snapshot()?);
        let step = comparison.step(&old, &new, life.target.reader().retold().unwrap_or_default(), entries, Some(map))?;
        if self.chance.percent(30) || step == ComparisonStep::Level {
            comparison.keep(map)?;
        }
        Ok(step == ComparisonStep::Level)
    }

    pub fn open_map(&self, life: &Life) -> Result<CursorMap, StoreError> {
        let folder: Arc<dyn Folder> = Arc::new(self.target.clone());
        let logs = [life.base.reader().log_identity(), life.target.reader().log_identity()];
        CursorMap::open(&folder, 1, logs, life.target.head())
    }

    fn promote(&mut self, life: &mut Life) -> Result<(), StoreError> {
        if self.short_after.is_none() {
            self.short_after = Some(life.target.reader().snapshot()?.commit());
        }
        while self.tell(life, 100, Ending::AtTheHead)? {}
        while !self.compare(life, 1_000)? {}
        life.catalogue.promote(MAIN, "better")?.expect("it is a retelling of what is live");
        (self.promoted, life.comparing) = (true, None);
        life.runners.clear();
        self.counts.promoted += 1;
        Ok(())
    }
}

fn seal(store: &mut Store) -> Result<(), StoreError> {
    store.close_tail();
    while let Some(due) = store.reader().housekeeping_due() {
        let sealed = store.reader().housekeep(due)?;
        store.adopt(sealed)?;
    }
    store.delete_leftover_rows().map(drop)
}
