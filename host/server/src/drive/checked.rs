//! `CheckedGuest`: a module's code with the schemas of the namespace around it. What it answers is held
//! against them as it is held against its manifest.

use std::sync::Arc;

use retold_engine::model::{
    AggregateCall, Answer, CallLimits, Calls, CommandRef, EventDraft, EventRef, Failure, Guest, GuestFault, IngressAnswer, IngressRequest,
    NotAnswered, OutputRef, Payload, Query, Rejection,
};

use super::schemas::Book;

pub struct CheckedGuest {
    guest: Arc<dyn Guest>,
    book: Book,
}

impl CheckedGuest {
    /// The guest itself where there are no schemas.
    pub fn around(guest: Arc<dyn Guest>, book: Book) -> Arc<dyn Guest> {
        if book.is_empty() { guest } else { Arc::new(CheckedGuest { guest, book }) }
    }

    fn check(&self, draft: &EventDraft) -> Result<(), GuestFault> {
        self.check_data(&draft.r#type, draft.content_type.as_deref().unwrap_or("application/json"), &draft.data)
    }

    /// What a handler makes, now or when a timer is due.
    fn check_output(&self, output: OutputRef<'_>) -> Result<(), GuestFault> {
        match output {
            OutputRef::Emit(event) => self.check_data(event.r#type, event.content_type.unwrap_or("application/json"), event.data),
            OutputRef::Command(command) => self.check_data(&command.r#type, command.content_type(), &command.data),
            OutputRef::Schedule(timer) => self.check_data(&timer.r#type, "application/json", &timer.data),
            OutputRef::Cancel(_) | OutputRef::Request(_) => Ok(()),
        }
    }

    fn check_data(&self, r#type: &str, content_type: &str, data: &[u8]) -> Result<(), GuestFault> {
        self.book.check(r#type, content_type, data).map_err(|violation| {
            let place = if violation.path.is_empty() { "as a whole" } else { violation.path.as_str() };
            GuestFault::Schema(format!("what it makes of type {type:?} doesn't fit its schema, data {place}: {}", violation.what))
        })
    }
}

impl Guest for CheckedGuest {
    fn handle(&self, function: &str, events: &[EventRef<'_>], limits: &CallLimits, calls: &mut dyn Calls) -> Answer {
        let answer = self.guest.handle(function, events, limits, calls);
        let Answer::Reactions(reactions) = &answer else { return answer };
        let fault = reactions.iter().find_map(|(_, output)| self.check_output(output).err());
        fault.map_or(answer, Answer::Fault)
    }

    fn decide(
        &self,
        aggregate: &AggregateCall<'_>,
        command: &CommandRef<'_>,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, Rejection>, NotAnswered> {
        let answer = self.guest.decide(aggregate, command, limits, calls)?;
        if let Ok(drafts) = &answer {
            drafts.iter().try_for_each(|draft| self.check(draft)).map_err(NotAnswered::Fault)?;
        }
        Ok(answer)
    }

    fn evolve(
        &self,
        aggregate: &AggregateCall<'_>,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<u8>, Failure>, NotAnswered> {
        self.guest.evolve(aggregate, events, limits, calls)
    }

    fn project(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<(), Failure>, NotAnswered> {
        self.guest.project(function, events, limits, calls)
    }

    fn query(
        &self,
        function: &str,
        query: &Query,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Payload, Rejection>, NotAnswered> {
        self.guest.query(function, query, limits, calls)
    }

    fn upcast(
        &self,
        function: &str,
        events: &[EventRef<'_>],
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<Vec<EventDraft>>, Failure>, NotAnswered> {
        let answer = self.guest.upcast(function, events, limits, calls)?;
        if let Ok(lists) = &answer {
            lists.iter().flatten().try_for_each(|draft| self.check(draft)).map_err(NotAnswered::Fault)?;
        }
        Ok(answer)
    }

    fn accept(
        &self,
        function: &str,
        request: &IngressRequest,
        limits: &CallLimits,
        calls: &mut dyn Calls,
    ) -> Result<Result<Vec<EventDraft>, IngressAnswer>, NotAnswered> {
        let answer = self.guest.accept(function, request, limits, calls)?;
        if let Ok(drafts) = &answer {
            drafts.iter().try_for_each(|draft| self.check(draft)).map_err(NotAnswered::Fault)?;
        }
        Ok(answer)
    }

    fn one_event_a_call(&self) -> bool {
        self.guest.one_event_a_call()
    }
}
