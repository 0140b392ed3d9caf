//! Runs a program over data.
//!
//! Subschemas that may fail without the whole failing (`anyOf`, `if`, ...) are tried with `fits`,
//! which makes no messages. What `unevaluatedItems` and `unevaluatedProperties` ask for is kept in one
//! log for the whole check: a subschema that asks looks at what was logged since it began, and a
//! branch that failed takes its entries back.

use serde_json::Value;

use super::error::Violation;
use super::limits::*;
use super::pointer::Trail;
use super::program::{Keyword, NodeId, Program, ResourceId};
use super::steps::{Steps, Stop};

pub(super) type Verdict = Result<(), Stop>;

pub(super) struct Check<'s> {
    pub(super) program: &'s Program,
    pub(super) steps: Steps,
    steps_max: u64,
    depth: usize,
    /// The resources that the check came through, outermost first.
    scope: Vec<ResourceId>,
    pub(super) evaluated: Vec<Evaluated>,
    /// Above 0 while only a yes or no is wanted.
    trying: u32,
}

/// What a subschema looked at, of the value that it was given.
#[derive(Clone, Copy)]
pub(super) enum Evaluated {
    /// By its place among the object's members.
    Property(usize),
    AllProperties,
    Item(usize),
    ItemsBefore(usize),
    AllItems,
}

/// One subschema at one place of the data.
#[derive(Clone, Copy)]
pub(super) struct Here<'t> {
    pub(super) node: NodeId,
    pub(super) value: &'t Value,
    pub(super) trail: &'t Trail<'t>,
    /// Whether to log what is evaluated: a subschema around this one will ask.
    pub(super) logs: bool,
}

impl<'s> Check<'s> {
    pub(super) fn new(program: &'s Program, steps: u64) -> Check<'s> {
        let (scope, evaluated) = (Vec::new(), Vec::new());
        Check { program, steps: Steps::new(steps), steps_max: steps, depth: 0, scope, evaluated, trying: 0 }
    }

    pub(super) fn run(mut self, data: &Value) -> Result<(), Violation> {
        let what = match self.apply(Here { node: 0, value: data, trail: &Trail::ROOT, logs: false }) {
            Ok(()) => return Ok(()),
            Err(Stop::Violated(violation)) => return Err(*violation.expect("nothing is being tried")),
            Err(Stop::Spent) => format!("took more than {} steps to check (limit `schema-steps`): simplify the schema", self.steps_max),
            Err(Stop::TooDeep) => {
                format!(
                    "leads through more than {CHECK_DEPTH_MAX} subschemas inside each other (limit `schema-depth`): simplify the schema"
                )
            }
        };
        Err(Violation::new("", &what, ""))
    }

    /// The value fits the subschema, or why not.
    pub(super) fn apply(&mut self, mut here: Here<'_>) -> Verdict {
        let program = self.program;
        let node = &program.nodes[here.node as usize];
        self.steps.spend(1)?;
        if self.depth >= CHECK_DEPTH_MAX {
            return Err(Stop::TooDeep);
        }
        self.depth += 1;
        let (scopes, logged, logs) = (self.scope.len(), self.evaluated.len(), here.logs);
        if self.scope.last() != Some(&node.resource) {
            self.scope.push(node.resource);
        }
        here.logs |= node.asks_evaluated;
        let verdict = node.keywords.iter().try_for_each(|keyword| self.keyword(keyword, here, logged));
        if !logs {
            self.evaluated.truncate(logged);
        }
        self.scope.truncate(scopes);
        self.depth -= 1;
        verdict
    }

    /// Whether the value fits, without a word on why not.
    pub(super) fn fits(&mut self, here: Here<'_>) -> Result<bool, Stop> {
        let logged = self.evaluated.len();
        self.trying += 1;
        let verdict = self.apply(here);
        self.trying -= 1;
        match verdict {
            Ok(()) => Ok(true),
            Err(Stop::Violated(_)) => {
                self.evaluated.truncate(logged);
                Ok(false)
            }
            Err(stop) => Err(stop),
        }
    }

    fn keyword(&mut self, keyword: &'s Keyword, here: Here<'_>, logged: usize) -> Verdict {
        match keyword {
            Keyword::Ref(node) => self.apply(Here { node: *node, ..here }),
            Keyword::DynamicRef { node, anchor } => {
                let node = self.dynamic_target(*node, anchor.as_deref())?;
                self.apply(Here { node, ..here })
            }
            Keyword::AllOf(nodes) => nodes.iter().try_for_each(|&node| self.apply(Here { node, ..here })),
            Keyword::AnyOf(nodes) => self.any_of(nodes, here),
            Keyword::OneOf(nodes) => self.one_of(nodes, here),
            Keyword::Not(node) => self.not(*node, here),
            Keyword::If { condition, then, otherwise } => {
                let branch = if self.fits(Here { node: *condition, ..here })? { then } else { otherwise };
                branch.map_or(Ok(()), |node| self.apply(Here { node, ..here }))
            }
            Keyword::DependentSchemas(dependents) => self.dependent_schemas(dependents, here),
            Keyword::Required(names) => self.required(names, here),
            Keyword::DependentRequired(dependents) => self.dependent_required(dependents, here),
            Keyword::Properties(properties) => self.properties(properties, here),
            Keyword::PropertyNames(node) => self.property_names(*node, here),
            Keyword::UnevaluatedProperties(node) => self.unevaluated_properties(*node, here, logged),
            Keyword::Items { prefix, rest } => self.items(prefix, *rest, here),
            Keyword::Contains { node, min, max } => self.contains(*node, *min, *max, here),
            Keyword::UniqueItems => self.unique_items(here),
            Keyword::UnevaluatedItems(node) => self.unevaluated_items(*node, here, logged),
            scalar => self.scalar(scalar, here),
        }
    }

    /// The outermost resource on the way here that has the anchor decides.
    fn dynamic_target(&mut self, node: NodeId, anchor: Option<&str>) -> Result<NodeId, Stop> {
        let Some(anchor) = anchor else { return Ok(node) };
        self.steps.spend(self.scope.len() as u64)?;
        let anchors = &self.program.dynamic_anchors;
        let outermost = self.scope.iter().find_map(|&resource| anchors[resource as usize].get(anchor));
        Ok(outermost.copied().unwrap_or(node))
    }

    pub(super) fn log(&mut self, here: Here<'_>, evaluated: Evaluated) {
        if here.logs {
            self.evaluated.push(evaluated);
        }
    }

    /// `what` reads on after the place: "must be ...". Not called while only a yes or no is wanted.
    pub(super) fn violated(&self, here: Here<'_>, keyword: &str, what: impl FnOnce() -> String) -> Stop {
        if self.trying > 0 {
            return Stop::Violated(None);
        }
        let mut schema = self.program.pointer(here.node);
        if !keyword.is_empty() {
            schema.extend(["/", keyword]);
        }
        let path = here.trail.pointer(VIOLATION_CHARS_MAX);
        Stop::Violated(Some(Box::new(Violation::new(&path, &what(), &schema))))
    }
}
