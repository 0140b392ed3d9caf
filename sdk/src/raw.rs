//! A way around the checks, for modules that test the host's. Not for use.

use crate::Result;
use crate::answer::{Answer, Reactions};
use crate::bindings::wire;

/// Outputs that nobody checks: any cause, any type, declared or not.
pub struct Unchecked(pub Vec<wire::Reaction>);

impl Answer for Unchecked {
    fn declare(_types: &mut Vec<&'static str>) {}

    fn write(self, reactions: &mut Reactions<'_>) -> Result<()> {
        reactions.list.extend(self.0);
        Ok(())
    }
}
