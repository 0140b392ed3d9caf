//! What a module says of itself, and the checks that need no code run.

use super::{CallLimits, TypePattern, is_reserved_type, limits, valid_function_name, valid_module_name};

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
    #[error("function {function:?} needs {what}, which this host does not offer yet: remove it from the module")]
    NotBuilt { function: String, what: &'static str },
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

    fn check(&self, index: usize) -> Result<(), ManifestError> {
        let at = |part: &str| format!("functions[{index}].{part}");
        let refuse = |part: &str, value: &str, remedy: &str| {
            Err(ManifestError::Field { field: at(part), value: value.into(), remedy: remedy.into() })
        };
        if !valid_function_name(&self.name) {
            return refuse("name", &self.name, "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter");
        }
        self.check_built()?;
        self.check_kind(index)?;
        if self.subscribes.is_empty() {
            return refuse("subscribes", "", "name at least one event type or pattern");
        }
        for pattern in &self.subscribes {
            if TypePattern::parse(pattern).is_none() {
                return refuse(
                    "subscribes",
                    pattern,
                    "use an event type such as order.placed, or a pattern that ends in *, such as order.*",
                );
            }
        }
        for emitted in &self.emits {
            if emitted.is_empty() || emitted.len() > limits::TYPE_BYTES_MAX || emitted.contains('*') {
                return refuse("emits", emitted, "name the exact event types");
            }
            if is_reserved_type(emitted) {
                return refuse("emits", emitted, "types that begin with retold. are the host's own");
            }
        }
        if self.split == Some(0) {
            return refuse("split", "0", "use 1 or more, or leave it out");
        }
        if self.limits.fuel.is_some_and(|fuel| fuel == 0 || fuel > limits::FUEL_PER_CALL_MAX) {
            return refuse("limits.fuel", &format!("{:?}", self.limits.fuel), &format!("use 1 to {}", limits::FUEL_PER_CALL_MAX));
        }
        if self.limits.memory_bytes.is_some_and(|bytes| bytes == 0 || bytes > limits::GUEST_MEMORY_BYTES_MAX as u64) {
            return refuse(
                "limits.memory-bytes",
                &format!("{:?}", self.limits.memory_bytes),
                &format!("use 1 to {}", limits::GUEST_MEMORY_BYTES_MAX),
            );
        }
        if self.limits.attempts.is_some_and(|attempts| attempts == 0 || attempts > limits::ATTEMPTS_MAX) {
            return refuse("limits.attempts", &format!("{:?}", self.limits.attempts), &format!("use 1 to {}", limits::ATTEMPTS_MAX));
        }
        Ok(())
    }

    /// What only functions of some kinds may say of themselves.
    fn check_kind(&self, index: usize) -> Result<(), ManifestError> {
        let refuse = |part: &str, value: &str, remedy: &str| {
            Err(ManifestError::Field { field: format!("functions[{index}].{part}"), value: value.into(), remedy: remedy.into() })
        };
        if self.kind == FunctionKind::Aggregate {
            if self.decides.is_empty() {
                return refuse("decides", "", "name at least one command type that the aggregate decides");
            }
        } else if let Some(decided) = self.decides.first() {
            return refuse("decides", decided, "only aggregates decide commands: remove it or make the function an aggregate");
        }
        for (nth, decided) in self.decides.iter().enumerate() {
            if decided.is_empty() || decided.len() > limits::TYPE_BYTES_MAX || decided.contains('*') {
                return refuse("decides", decided, "name the exact command types");
            }
            if is_reserved_type(decided) {
                return refuse("decides", decided, "types that begin with retold. are the host's own");
            }
            if self.decides[..nth].contains(decided) {
                return refuse("decides", decided, "is named twice: name each command type once");
            }
        }
        match self.kind {
            FunctionKind::View if !self.emits.is_empty() => {
                refuse("emits", &self.emits[0], "a view keeps rows and emits nothing: remove it or make the function a handler")
            }
            FunctionKind::Aggregate | FunctionKind::Upcaster if self.split.is_some() => {
                refuse("split", &format!("{:?}", self.split), "only handlers and views have a unit of state to split: leave it out")
            }
            FunctionKind::Upcaster => match self.subscribes.iter().find(|taken| taken.contains('*') || self.emits.contains(taken)) {
                Some(taken) if taken.contains('*') => refuse("subscribes", taken, "an upcaster names the exact event types that it takes"),
                Some(taken) => refuse("emits", taken, "an upcaster never makes a type that it takes: give the new form a type of its own"),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Refuses by name what the contract has and this host has not yet.
    fn check_built(&self) -> Result<(), ManifestError> {
        let what = match self.kind {
            FunctionKind::Ingress => Some("ingress functions"),
            _ if !self.sends.is_empty() => Some("commands as outputs"),
            _ if self.timers => Some("timers"),
            _ if !self.schedules.is_empty() => Some("schedules"),
            _ if !self.hosts.is_empty() => Some("requests to the outside"),
            _ if !self.secrets.is_empty() => Some("secrets"),
            _ => None,
        };
        match what {
            Some(what) => Err(ManifestError::NotBuilt { function: self.name.clone(), what }),
            None => Ok(()),
        }
    }
}
