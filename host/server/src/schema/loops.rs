//! Refuses a schema that could go round for ever at one place of the data: `{"$ref": "#"}`.
//!
//! A `$dynamicRef` means something else in each check; a loop through one is ended by the limit on
//! depth.

use super::program::{NodeId, Program};

/// A subschema that comes back to itself without going into the data.
///
/// Keeps its own stack: a chain of references may be as long as a schema has subschemas.
pub(super) fn first_loop(program: &Program) -> Option<NodeId> {
    let mut states = vec![State::New; program.nodes.len()];
    for root in 0..program.nodes.len() {
        let mut stack = vec![Visit::Enter(NodeId::try_from(root).expect("fewer nodes than the limit"))];
        while let Some(visit) = stack.pop() {
            match visit {
                Visit::Leave(node) => states[node as usize] = State::Done,
                Visit::Enter(node) => match states[node as usize] {
                    State::Done => {}
                    State::Open => return Some(node),
                    State::New => {
                        states[node as usize] = State::Open;
                        stack.push(Visit::Leave(node));
                        stack.extend(program.in_place(node).into_iter().rev().map(Visit::Enter));
                    }
                },
            }
        }
    }
    None
}

#[derive(Clone, Copy)]
enum State {
    New,
    /// On the way from the root to here.
    Open,
    Done,
}

enum Visit {
    Enter(NodeId),
    Leave(NodeId),
}
