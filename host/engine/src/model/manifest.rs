//! What a module says of itself, and the checks that need no code run.

use super::{CallLimits, TypePattern, limits, valid_module_name};

/// A module's self-description, as checked by [`Manifest::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub functions: Vec<FunctionManifest>,
    pub schemas: Vec<Schema>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionManifest {
    pub name: String,
    pub kind: FunctionKind,
    pub subscribes: Vec<String>,
    pub emits: Vec<String>,
    pub decides: Vec<String>,
    pub sends: Vec<String>,
    pub start: Start,
    pub failure_policy: FailurePolicy,
    pub split: Option<u32>,
    pub limits: LimitsAsked,
    pub schedules: Vec<Schedule>,
    pub hosts: Vec<String>,
    pub secrets: Vec<String>,
    pub timers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    Handler,
    Aggregate,
    View,
    Upcaster,
    Ingress,
}

/// Where a new function begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Now,
    Beginning,
}

/// What follows when an event can't be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    Park,
    Halt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    All,
    Latest,
    Skip,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub key: String,
    pub cron: String,
    pub time_zone: String,
    pub r#type: String,
    pub missed: Missed,
}

/// Limits that a function asks for; lower than the host's or equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsAsked {
    pub fuel: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub attempts: Option<u32>,
}

impl LimitsAsked {
    /// What one call gets.
    pub fn of_a_call(&self) -> CallLimits {
        CallLimits {
            fuel: self.fuel.unwrap_or(limits::FUEL_PER_CALL_MAX),
            memory_bytes: self.memory_bytes.map_or(limits::GUEST_MEMORY_BYTES_MAX, |bytes| bytes as usize),
            fresh_instance: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    pub r#type: String,
    pub json: String,
}

/// Why a manifest is refused; each names the field and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("manifest field `{field}` is {value:?}: {remedy}")]
    Field { field: String, value: String, remedy: String },
    #[error("the module has no functions: export at least one and name it in the manifest")]
    Empty,
}

impl Manifest {
    /// Holds the manifest against the rules. `name` is the name that it was uploaded under.
    pub fn check(&self, name: &str) -> Result<(), ManifestError> {
        let field = |field: &str, value: &str, remedy: &str| ManifestError::Field {
            field: field.into(),
            value: value.into(),
            remedy: remedy.into(),
        };
        if !valid_module_name(&self.name) {
            return Err(field("name", &self.name, "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter"));
        }
        if self.name != name {
            return Err(field("name", &self.name, &format!("the module was uploaded as {name:?}: use the same name in both places")));
        }
        if self.version.is_empty() || self.version.len() > limits::NAME_BYTES_MAX {
            return Err(field("version", &self.version, "use a semantic version such as 1.0.0"));
        }
        if self.functions.is_empty() {
            return Err(ManifestError::Empty);
        }
        if self.functions.len() > limits::FUNCTIONS_PER_MODULE_MAX {
            return Err(field(
                "functions",
                &self.functions.len().to_string(),
                &format!("at most {} a module", limits::FUNCTIONS_PER_MODULE_MAX),
            ));
        }
        for (index, function) in self.functions.iter().enumerate() {
            if self.functions[..index].iter().any(|other| other.name == function.name) {
                return Err(field(&format!("functions[{index}].name"), &function.name, "is used twice: give each function its own name"));
            }
            function.check(index)?;
        }
        Ok(())
    }
}

impl FunctionManifest {
    pub fn patterns(&self) -> impl Iterator<Item = TypePattern> + '_ {
        self.subscribes.iter().filter_map(|text| TypePattern::parse(text))
    }
}
