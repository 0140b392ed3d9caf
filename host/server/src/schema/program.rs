//! A compiled schema: its subschemas side by side, pointing at each other by number.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::limits::VIOLATION_CHARS_MAX;
use super::pattern::Pattern;
use super::pointer::join_from_last;

pub(super) type NodeId = u32;
pub(super) type ResourceId = u32;

/// Node 0 is the root.
pub(super) struct Program {
    pub(super) nodes: Vec<Node>,
    /// Dynamic anchors of each resource.
    pub(super) dynamic_anchors: Vec<BTreeMap<String, NodeId>>,
}

/// A subschema.
pub(super) struct Node {
    /// In the order in which they are checked. Those that ask what the others evaluated come last.
    pub(super) keywords: Vec<Keyword>,
    pub(super) resource: ResourceId,
    /// Whether one of the keywords asks what the others evaluated.
    pub(super) asks_evaluated: bool,
    pub(super) parent: Option<NodeId>,
    pub(super) step: String,
}

pub(super) enum Keyword {
    /// The schema `false`.
    Never,
    Type(Types),
    Enum(Vec<Value>),
    Const(Value),
    Bound(Bound, Number),
    MultipleOf(Number),
    Size(Size, u64),
    Pattern(Pattern),
    Required(Vec<String>),
    DependentRequired(BTreeMap<String, Vec<String>>),
    Properties(Box<Properties>),
    PropertyNames(NodeId),
    Items {
        prefix: Vec<NodeId>,
        rest: Option<NodeId>,
    },
    Contains {
        node: NodeId,
        min: u64,
        max: Option<u64>,
    },
    UniqueItems,
    Ref(NodeId),
    /// `anchor` is there if the reference is looked up anew wherever the check came from.
    DynamicRef {
        node: NodeId,
        anchor: Option<String>,
    },
    AllOf(Vec<NodeId>),
    AnyOf(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
    DependentSchemas(BTreeMap<String, NodeId>),
    UnevaluatedItems(NodeId),
    UnevaluatedProperties(NodeId),
}

pub(super) struct Properties {
    pub(super) named: BTreeMap<String, NodeId>,
    pub(super) patterns: Vec<(Pattern, NodeId)>,
    pub(super) additional: Option<NodeId>,
}

#[derive(Clone, Copy)]
pub(super) enum Bound {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

#[derive(Clone, Copy)]
pub(super) enum Size {
    MinLength,
    MaxLength,
    MinItems,
    MaxItems,
    MinProperties,
    MaxProperties,
}

/// A set of types: a bit each, in the order of [`Types::NAMES`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types(pub(super) u8);

impl Types {
    pub(super) const NAMES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

    pub(super) fn named(name: &str) -> Option<Types> {
        Types::NAMES.iter().position(|known| *known == name).map(|place| Types(1 << place))
    }
}

impl Program {
    /// Where a subschema is: a JSON pointer, after `URI#` in a library's document. Whole up to
    /// [`VIOLATION_CHARS_MAX`].
    pub(super) fn pointer(&self, node: NodeId) -> String {
        let mut steps = Vec::new();
        let mut next = Some(node);
        while let Some(node) = next {
            let node = &self.nodes[node as usize];
            steps.push(node.step.as_str());
            next = node.parent;
        }
        join_from_last(&steps, VIOLATION_CHARS_MAX)
    }

    /// The subschemas that look at the same place of the data as `node`, as far as that is known
    /// before a check.
    pub(super) fn in_place(&self, node: NodeId) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        for keyword in &self.nodes[node as usize].keywords {
            match keyword {
                Keyword::Ref(node) | Keyword::Not(node) | Keyword::DynamicRef { node, anchor: None } => nodes.push(*node),
                Keyword::AllOf(list) | Keyword::AnyOf(list) | Keyword::OneOf(list) => nodes.extend(list),
                Keyword::If { condition, then, otherwise } => nodes.extend([Some(*condition), *then, *otherwise].into_iter().flatten()),
                Keyword::DependentSchemas(map) => nodes.extend(map.values()),
                _ => {}
            }
        }
        nodes
    }
}
