//! A way around the checks, for modules that test the host's. Not for use.

use crate::Result;
use crate::answer::{Answer, Reactions};
use crate::bindings::wire;
use crate::types::Types;
use crate::written::{NewEvent, Output};

/// Outputs that nobody checks: of any type, declared or not, and of any cause (an index into the
/// batch; absent for the event at hand).
#[derive(Default)]
pub struct Unchecked(pub Vec<(Option<u32>, Output)>);

impl Answer for Unchecked {
    fn declare(_types: &mut Types) {}

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        for (cause, output) in self.0 {
            let cause = cause.unwrap_or(reactions.cause);
            match output {
                Output::Emit(event) => {
                    let wire::NewEvent { type_, subject, tags, content_type, data, key, time } = event;
                    reactions.written.data().extend_from_slice(&data);
                    reactions.written.emit(cause, NewEvent { of_type: type_.into(), subject: &subject, tags, content_type, key, time });
                }
                Output::Other(output) => reactions.written.push(cause, output),
            }
        }
        Ok(())
    }
}
