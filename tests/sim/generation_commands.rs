//! Commands to an aggregate of a log that is retold, and the earlier generation that comes back and goes again.

use std::collections::BTreeSet;

use retold_engine::model::{Kind, NewEvent, Timestamp};
use retold_engine::run::{Decided, Reading, decide};
use retold_engine::store::{Accepted, Catalogue, Control, NamespaceRow, Proposal, Refused, Store, StoreError};

use crate::generations::{Codes, FOLDERS, Land, Life, MAIN, Sent};

impl Land {
    /// A client asks the stock for something, after what it has had no answer to.
    pub fn ask(&mut self, life: &mut Life) -> Result<(), StoreError> {
        let command = self.draw_command();
        self.asked.push(Sent { event: command, acknowledged: false });
        for at in 0..self.asked.len() {
            if !self.asked[at].acknowledged {
                let command = self.asked[at].event.clone();
                let accepted = self.decide(life, &command)?;
                self.asked[at].acknowledged = true;
                if !accepted {
                    self.rejected.insert(command.id);
                }
            }
        }
        Ok(())
    }

    fn draw_command(&mut self) -> NewEvent {
        NewEvent {
            id: format!("c{}", self.asked.len()),
            source: "/desk".into(),
            r#type: (*self.chance.pick(&["stock.add", "stock.add", "stock.take"])).into(),
            subject: format!("s/{}", self.chance.below(4)),
            content_type: "application/json".into(),
            data: vec![b'.', self.chance.number() as u8, self.chance.number() as u8],
            ..NewEvent::default()
        }
    }

    /// Answers whether it is in the log now.
    fn decide(&mut self, life: &mut Life, command: &NewEvent) -> Result<bool, StoreError> {
        let store = self.live(life);
        let (snapshot, codes) = (store.reader().snapshot()?, Codes::of(store));
        let decided = decide(&Reading::new(&snapshot, &codes), "stock", command, &mut None, Timestamp(1), &mut |_, _| {})?;
        match decided {
            Decided::Propose(decision) => {
                let answers = store.commit([Proposal::Decide(*decision)], Timestamp(1))?.answers;
                assert!(matches!(answers[..], [Ok(Accepted::Decided(_))]), "{command:?} was answered {answers:?}");
                Ok(true)
            }
            Decided::Known { .. } => Ok(true),
            Decided::Rejected(_) => Ok(false),
            Decided::Refused(Refused::Forgotten { .. }) if self.promoted => Ok(false),
            other => panic!("{command:?} was answered {other:?}"),
        }
    }

    /// What was set aside is tried again, in vain.
    pub fn release(&mut self, life: &mut Life) -> Result<(), StoreError> {
        let control = Control::Release(retold_engine::model::WhichParked::All);
        let proposal = Proposal::Control { function: "fragile".into(), control };
        self.live(life).commit([proposal], Timestamp(1)).map(drop)
    }

    /// Every command that was accepted is there once, but for those that were erased.
    pub fn check_asked(&self, store: &Store) {
        let snapshot = store.reader().snapshot().expect("there is power");
        for sent in self.asked.iter().filter(|sent| sent.acknowledged && !self.rejected.contains(&sent.event.id)) {
            let is_forgotten = self.plan.forget.iter().any(|subject| subject.matches(&sent.event.subject));
            let at = snapshot.find(&sent.event.source, &sent.event.id).expect("there is power");
            assert!(at.is_some() || (self.promoted && is_forgotten), "an accepted command is lost: {:?}", sent.event);
            let event = at.and_then(|at| snapshot.event(at).expect("there is power"));
            assert!(event.is_none_or(|event| event.kind == Kind::Command && event.data == sent.event.data));
        }
    }

    /// The earlier generation comes back, and goes again, with power lost on the way: one is live at any time, the one
    /// that was acknowledged, and the other is there under a name of its own.
    pub fn go_back_and_forth(&mut self, life: Life) {
        drop(life);
        let mut expected = self.live_row();
        for _ in 0..self.chance.between(2, 6) {
            let before = expected.clone();
            self.catalogue.lose_power_at(self.chance.between(1, 60));
            let old = format!("{MAIN}@{}", before.previous.last().expect("it was promoted").generation);
            let answer = Catalogue::open(&self.catalogue).and_then(|catalogue| catalogue.promote_back(MAIN, &old));
            let acknowledged = answer.is_ok();
            assert!(acknowledged || !self.catalogue.has_power(), "there is power, and yet: {answer:?}");
            if !self.catalogue.has_power() {
                self.counts.cuts += 1;
                self.catalogue = self.catalogue.crash(self.crash, &mut self.chance);
            }
            self.catalogue.heal();
            expected = self.live_row();
            let went = expected.generation == before.generation + 1;
            assert!(went || (!acknowledged && expected == before), "{before:?} became {expected:?}");
            assert_eq!(went, expected.folder != before.folder);
            self.counts.back += u64::from(went);
        }
    }

    fn live_row(&self) -> NamespaceRow {
        let catalogue = Catalogue::open(&self.catalogue).expect("there is power");
        assert_eq!(catalogue.folders().expect("there is power"), FOLDERS.map(str::to_owned).into(), "a generation is gone");
        let rows = catalogue.namespaces().expect("there is power");
        assert_eq!(rows.iter().map(|row| &row.folder).collect::<BTreeSet<_>>().len(), rows.len(), "two name one folder: {rows:?}");
        rows.into_iter().find(|row| row.name == MAIN).expect("it is always there")
    }
}
