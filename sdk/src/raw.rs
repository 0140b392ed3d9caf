//! A way around the checks, for modules that test the host's. Not for use.

use crate::Result;
use crate::answer::{Answer, Reactions};
use crate::bindings::wire;
use crate::types::Types;

/// Outputs that nobody checks: of any type, declared or not, and of any cause (an index into the
/// batch; absent for the event at hand).
#[derive(Default)]
pub struct Unchecked(pub Vec<(Option<u32>, wire::Output)>);

impl Answer for Unchecked {
    fn declare(_types: &mut Types) {}

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        for (cause, output) in self.0 {
            reactions.push(cause.unwrap_or(reactions.cause), output);
        }
        Ok(())
    }
}
