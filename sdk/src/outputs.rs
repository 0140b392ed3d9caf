//! `Outputs`: an answer that grows.

use std::marker::PhantomData;

use serde::Serialize;

use crate::answer::{Answer, Draft, Reactions};
use crate::shape::Shape;
use crate::types::Types;
use crate::{Cancel, Command, Emit, Event, Request, Result, Sent, Timer};

/// A growing answer, for a handler whose outputs come out of a loop or of branches. `T` is the tuple
/// of what may come; anything else doesn't compile.
///
/// ```
/// # use retold::prelude::*;
/// # #[derive(Event, Deserialize)] #[event("order.placed")] struct OrderPlaced { lines: Vec<u32> }
/// # #[derive(Event, Serialize)] #[event("line.picked")] struct Picked { line: u32 }
/// # #[derive(Command, Serialize)] #[command("order.close")] struct Close {}
/// #[handler]
/// fn picking(order: Recorded<OrderPlaced>) -> Result<Outputs<(Picked, Sent<Close>)>> {
///     let mut outputs = Outputs::new();
///     for &line in &order.lines {
///         outputs.emit(Picked { line }.key(line.to_string()))?;
///     }
///     if order.lines.is_empty() {
///         outputs.send(Close {}.to(order.subject()))?;
///     }
///     Ok(outputs)
/// }
/// ```
///
/// ```compile_fail
/// # use retold::prelude::*;
/// # #[derive(Event, Serialize)] #[event("a")] struct A {}
/// # #[derive(Event, Serialize)] #[event("b")] struct B {}
/// # #[derive(Event, Serialize)] #[event("c")] struct C {}
/// Outputs::<(A, B)>::new().emit(C {}).unwrap();
/// ```
///
/// ```compile_fail
/// # use retold::prelude::*;
/// # #[derive(Event, Serialize)] #[event("a")] struct A {}
/// Outputs::<(A,)>::new().request(Request::get("https://example.com/"));
/// ```
pub struct Outputs<T> {
    list: Vec<Draft>,
    types: PhantomData<fn(T)>,
}

impl<T: Answer> Outputs<T> {
    pub fn new() -> Outputs<T> {
        Outputs { list: Vec::new(), types: PhantomData }
    }

    /// Adds an event. Errs if it can't be written as JSON.
    pub fn emit<E: Event + Serialize>(&mut self, event: impl Into<Emit<E>>) -> Result<()> {
        const {
            assert!(T::SHAPE.has(&Shape::Event(E::TYPE)), "this event type is not among those that the `Outputs` declares");
        };
        self.list.push(event.into().draft()?);
        Ok(())
    }

    /// Sends a command. Errs if it can't be written as JSON.
    pub fn send<C: Command + Serialize>(&mut self, command: Sent<C>) -> Result<()> {
        const {
            assert!(T::SHAPE.has(&Shape::Command(C::TYPE)), "the `Outputs` doesn't declare this command: Sent<…>");
        };
        self.list.push(command.draft()?);
        Ok(())
    }

    /// Sets a timer. Errs if its event can't be written as JSON.
    pub fn schedule<E: Event + Serialize>(&mut self, timer: Timer<E>) -> Result<()> {
        const {
            assert!(T::SHAPE.has(&Shape::Timer(E::TYPE)), "the `Outputs` doesn't declare this timer: Timer<…>");
        };
        self.list.push(timer.draft()?);
        Ok(())
    }

    /// Cancels the timer of this key, if one is set.
    pub fn cancel(&mut self, key: impl Into<String>) {
        const {
            assert!(T::SHAPE.has_timers(), "the `Outputs` declares no timers: Cancel, Timer<…>");
        };
        self.list.push(Draft::Cancel(Cancel::timer(key)));
    }

    /// Makes a request.
    pub fn request(&mut self, request: Request) {
        const {
            assert!(T::SHAPE.has(&Shape::Request), "the `Outputs` declares no requests: Request");
        };
        self.list.push(Draft::Request(request));
    }
}

impl<T: Answer> Default for Outputs<T> {
    fn default() -> Outputs<T> {
        Outputs::new()
    }
}

impl<T: Answer> Answer for Outputs<T> {
    const SHAPE: Shape = T::SHAPE;

    fn declare(types: &mut Types) {
        T::declare(types);
    }

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        self.list.into_iter().try_for_each(|draft| reactions.add(draft))
    }
}
