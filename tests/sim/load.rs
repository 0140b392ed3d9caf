//! What clients send: single events, batches, repeats, clashes, conditions, nonsense.

use retold_engine::model::{NewEvent, Position, Timestamp};
use retold_engine::store::{Append, Condition};

use crate::chance::Chance;
use crate::guests::mark;
use crate::model::Model;
use crate::options::Options;
use crate::stock;

#[derive(Debug, Default)]
pub struct Load {
    next: u64,
    /// What was sent before, whatever became of it.
    sent: Vec<NewEvent>,
}

const SENT_MAX: usize = 200;
const MARKS: [u8; 9] =
    [mark::OLD, mark::OLD, mark::TRAP, mark::REJECT, mark::FLAKY, mark::UNDECLARED, mark::OUTSIDE, mark::CLOSE, mark::SUM];

impl Load {
    pub fn append(&mut self, options: &Options, chance: &mut Chance, model: &Model) -> Append {
        let count = chance.between(1, options.batch);
        let mut events: Vec<NewEvent> = (0..count).map(|_| self.event(options, chance)).collect();
        if chance.percent(options.repeats) && events.len() > 1 {
            // The same event twice in one request, or the same id for two.
            let mut again = chance.pick(&events).clone();
            if chance.percent(30) {
                again.data.push(b'!');
            }
            events.push(again);
        }
        if chance.percent(1) {
            events[0].id = (*chance.pick(&["", "a\nb"])).to_owned();
        }
        self.sent.extend(events.iter().cloned());
        if self.sent.len() > SENT_MAX {
            self.sent.drain(..self.sent.len() - SENT_MAX);
        }
        let condition = chance.percent(options.conditions).then(|| condition(&events, chance, model));
        let stream = chance.percent(options.streams).then_some(self.next / 10);
        Append { events, condition, stream }
    }

    fn event(&mut self, options: &Options, chance: &mut Chance) -> NewEvent {
        if chance.percent(options.repeats) && !self.sent.is_empty() {
            let mut again = chance.pick(&self.sent).clone();
            if chance.percent(15) {
                again.subject.push('!');
            }
            return again;
        }
        self.next += 1;
        let r#type = if chance.percent(options.circles) {
            "circle.start"
        } else {
            chance.pick(&[
                "a.small",
                "a.small",
                "a.wide",
                "b.one",
                "b.two",
                "c.one",
                "d.none",
                "e.v1",
                "e.v1",
                "e.v1",
                "e.v1",
                "e.v2",
                "e.v3",
                stock::ADDED,
                stock::OLD,
            ])
        };
        let subject = match chance.below(options.subjects + 1) {
            0 if chance.percent(30) => String::new(),
            number => format!("s{}/{}", number % 3, number),
        };
        let mut data = vec![if chance.percent(options.marked) { *chance.pick(&MARKS) } else { b'.' }, chance.number() as u8];
        if chance.percent(options.large) {
            data.resize(chance.between(500, 90_000) as usize, chance.number() as u8);
        }
        data.extend_from_slice(options.tag.as_bytes());
        NewEvent {
            id: self.next.to_string(),
            source: chance.pick(&["/shop", "/shop/1", "/door"]).to_string(),
            r#type: r#type.into(),
            subject,
            time: chance.percent(50).then(|| Timestamp(chance.below(2_000_000_000_000_000))),
            content_type: chance.pick(&["application/json", "text/plain"]).to_string(),
            data,
            tags: (0..chance.below(3)).map(|_| format!("t{}", chance.below(4))).collect(),
            extensions: if chance.percent(20) { vec![("traceparent".into(), "00-1".into())] } else { Vec::new() },
            causation_id: chance.percent(10).then(|| "cause".into()),
            correlation_id: chance.percent(20).then(|| format!("story {}", chance.below(3))),
        }
    }
}

fn condition(events: &[NewEvent], chance: &mut Chance, model: &Model) -> Condition {
    let head = model.head().0;
    let after = if chance.percent(60) { head.saturating_sub(chance.below(4)) } else { chance.below(head + 3) };
    let mut condition = Condition { after: Position(after), ..Condition::default() };
    let event = chance.pick(events);
    if chance.percent(60) {
        condition.types = vec![event.r#type.clone(), "count.total".into()];
    }
    if chance.percent(60) {
        condition.subjects = vec![event.subject.clone()];
    }
    if chance.percent(30) {
        condition.tags = event.tags.clone();
    }
    condition
}
