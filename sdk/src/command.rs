//! `Command`: a request that may be refused. `Received`: one as an aggregate reads it. `Sent`: one as a
//! handler sends it.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::answer::{Draft, Encoded};
use crate::bindings::wire;
use crate::types::WriteSchema;
use crate::{Rejection, Result, json_path};

/// Data with a command type.
///
/// ```
/// # use retold::prelude::*;
/// #[derive(Command, Deserialize)]
/// #[command("cart.add-item")]
/// struct AddItem {
///     sku: String,
/// }
/// assert_eq!(AddItem::TYPE, "cart.add-item");
/// ```
pub trait Command: Sized {
    /// What is asked for, as an order: `cart.add-item`.
    const TYPE: &'static str;

    /// Set by `#[command("…", schema)]`.
    #[doc(hidden)]
    const SCHEMA: Option<WriteSchema> = None;

    /// Addresses it, so that a handler may send it: `reserve.to("stock/apple")`.
    fn to(self, subject: impl Into<String>) -> Sent<Self> {
        Sent { command: self, subject: subject.into(), key: None }
    }
}

/// A command that a handler sends. It is decided once, by the aggregate that decides its type; a refusal
/// comes back to the handler as [`Refused`](crate::Refused), if it reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent<C> {
    pub(crate) command: C,
    pub(crate) subject: String,
    pub(crate) key: Option<String>,
}

impl<C> Sent<C> {
    /// A name for it, unique among the cause's commands of this type and subject: see
    /// [`Emit::key`](crate::Emit::key).
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Sent<C> {
        self.key = Some(key.into());
        self
    }
}

impl<C: Command + Serialize> Sent<C> {
    pub(crate) fn draft(self) -> Result<Draft> {
        let Sent { command, subject, key } = self;
        Ok(Draft::Send(Sent { command: Encoded::of(C::TYPE, &command)?, subject, key }))
    }
}

/// A command that arrived. Derefs to its data, so that `command.quantity` just works.
///
/// It has no time: what hangs on time belongs into the events that the aggregate evolves.
pub struct Received<'a, T> {
    command: &'a wire::Command,
    data: T,
}

impl<'a, T> Received<'a, T> {
    /// What the command is addressed to: the aggregate's own subject.
    pub fn subject(&self) -> &'a str {
        &self.command.subject
    }

    /// The data alone.
    pub fn into_data(self) -> T {
        self.data
    }
}

impl<'a, T: Command + Deserialize<'a>> Received<'a, T> {
    /// Called by `#[aggregate]`.
    #[doc(hidden)]
    pub fn decode(command: &'a wire::Command) -> Result<Received<'a, T>, Rejection> {
        let data = read(&command.data).map_err(|problem| {
            let wanted = crate::event::short_name::<T>();
            Rejection::new("invalid-command", format_args!("{} can't be read as {wanted}: {problem}", command.type_))
        })?;
        Ok(Received { command, data })
    }
}

impl<T> Deref for Received<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// Reads what a person wrote: what is wrong is told with the path to it.
pub fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(data).map_err(|error| error.to_string())?;
    serde_json::from_str(text).map_err(|error| {
        let path = json_path::at(text, error.line(), error.column());
        if path.is_empty() { error.to_string() } else { format!("{path}: {error}") }
    })
}
