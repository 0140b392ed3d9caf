//! What a function may say of itself, by its kind.

use super::manifest::{FunctionKind, FunctionManifest, ManifestError};
use super::{TypePattern, check_key, is_reserved_type, limits, valid_function_name};

impl FunctionManifest {
    pub(super) fn check(&self, index: usize) -> Result<(), ManifestError> {
        let at = |part: &str| format!("functions[{index}].{part}");
        let refuse = |part: &str, value: &str, remedy: &str| {
            Err(ManifestError::Field { field: at(part), value: value.into(), remedy: remedy.into() })
        };
        if !valid_function_name(&self.name) {
            return refuse("name", &self.name, "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter");
        }
        self.check_kind(index)?;
        self.check_outside(index)?;
        if self.subscribes.is_empty() && self.kind != FunctionKind::Ingress && self.schedules.is_empty() {
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

    /// What a function may say of commands that it sends, of time, and of the outside.
    fn check_outside(&self, index: usize) -> Result<(), ManifestError> {
        let refuse = |part: &str, value: &str, remedy: &str| {
            Err(ManifestError::Field { field: format!("functions[{index}].{part}"), value: value.into(), remedy: remedy.into() })
        };
        if self.kind != FunctionKind::Handler {
            let only = "only handlers do that: remove it, or make the function a handler";
            for (part, found) in [("sends", self.sends.first()), ("hosts", self.hosts.first())] {
                if let Some(value) = found {
                    return refuse(part, value, only);
                }
            }
            if let Some(schedule) = self.schedules.first() {
                return refuse("schedules", &schedule.key, only);
            }
            if self.timers {
                return refuse("timers", "true", only);
            }
        }
        if !matches!(self.kind, FunctionKind::Handler | FunctionKind::Ingress)
            && let Some(secret) = self.secrets.first()
        {
            return refuse("secrets", secret, "only handlers and ingress functions use secrets: remove it");
        }
        for (nth, sent) in self.sends.iter().enumerate() {
            if sent.is_empty() || sent.len() > limits::TYPE_BYTES_MAX || sent.contains('*') {
                return refuse("sends", sent, "name the exact command types");
            }
            if is_reserved_type(sent) {
                return refuse("sends", sent, "types that begin with retold. are the host's own");
            }
            if self.sends[..nth].contains(sent) {
                return refuse("sends", sent, "is named twice: name each command type once");
            }
        }
        for host in &self.hosts {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let foreign = |letter: char| !(letter.is_ascii_alphanumeric() || ".-:[]".contains(letter));
            if name.is_empty() || name.contains(foreign) {
                return refuse("hosts", host, "use a name such as example.com, example.com:8443 or *.example.com");
            }
        }
        for secret in &self.secrets {
            if !valid_secret_name(secret) {
                return refuse("secrets", secret, "use 1 to 64 of A-Z, a-z, 0-9, - and _");
            }
        }
        for (nth, schedule) in self.schedules.iter().enumerate() {
            if let Err((part, what)) = check_key(&schedule.key) {
                return refuse(&format!("schedules[{nth}].{part}"), &schedule.key, &what);
            }
            if self.schedules[..nth].iter().any(|other| other.key == schedule.key) {
                return refuse(&format!("schedules[{nth}].key"), &schedule.key, "is used twice: give each schedule its own");
            }
            let exact = TypePattern::parse(&schedule.r#type).is_some_and(|parsed| matches!(parsed, TypePattern::Exact(_)));
            if !exact || is_reserved_type(&schedule.r#type) {
                return refuse(&format!("schedules[{nth}].type"), &schedule.r#type, "name an exact event type of your own");
            }
            if !self.patterns().any(|pattern| pattern.matches(&schedule.r#type)) {
                let remedy = "the function doesn't subscribe to it: name it in `subscribes` too";
                return refuse(&format!("schedules[{nth}].type"), &schedule.r#type, remedy);
            }
        }
        Ok(())
    }
}

fn valid_secret_name(name: &str) -> bool {
    (1..=limits::NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::{FailurePolicy, FunctionManifest, LimitsAsked, Missed, Schedule, Start};
    use super::*;

    fn of(kind: FunctionKind) -> FunctionManifest {
        FunctionManifest {
            name: "f".into(),
            kind,
            subscribes: vec!["a".into()],
            emits: Vec::new(),
            decides: Vec::new(),
            sends: Vec::new(),
            start: Start::Now,
            failure_policy: FailurePolicy::Park,
            split: None,
            limits: LimitsAsked::default(),
            schedules: Vec::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            timers: false,
        }
    }

    fn every_hour(key: &str, r#type: &str) -> Schedule {
        Schedule { key: key.into(), cron: "0 * * * *".into(), time_zone: "UTC".into(), r#type: r#type.into(), missed: Missed::All }
    }

    #[track_caller]
    fn check_refused(function: &FunctionManifest, part: &str) {
        let Err(ManifestError::Field { field, .. }) = function.check(3) else { panic!("{part} must be refused") };
        assert_eq!(field, format!("functions[3].{part}"));
    }

    #[test]
    fn what_reaches_out_is_for_handlers_and_secrets_for_ingress_functions_too() {
        let reaching = |kind| FunctionManifest { sends: vec!["pay".into()], ..of(kind) };
        assert_eq!(reaching(FunctionKind::Handler).check(0), Ok(()));
        check_refused(&reaching(FunctionKind::View), "sends");
        check_refused(&FunctionManifest { timers: true, ..of(FunctionKind::View) }, "timers");
        check_refused(&FunctionManifest { hosts: vec!["example.com".into()], ..of(FunctionKind::Upcaster) }, "hosts");
        check_refused(&FunctionManifest { schedules: vec![every_hour("k", "a")], ..of(FunctionKind::View) }, "schedules");
        let secret = |kind| FunctionManifest { secrets: vec!["KEY".into()], ..of(kind) };
        check_refused(&secret(FunctionKind::View), "secrets");
        assert_eq!(FunctionManifest { subscribes: Vec::new(), ..secret(FunctionKind::Ingress) }.check(0), Ok(()));
    }

    #[test]
    fn names_of_commands_hosts_secrets_and_schedules_are_looked_at() {
        let handler = of(FunctionKind::Handler);
        for sends in [vec!["a.*".into()], vec!["retold.x".into()], vec!["a".into(), "a".into()]] {
            check_refused(&FunctionManifest { sends, ..handler.clone() }, "sends");
        }
        for host in ["", "*.", "https://example.com", "a b"] {
            check_refused(&FunctionManifest { hosts: vec![host.into()], ..handler.clone() }, "hosts");
        }
        for host in ["example.com", "*.example.com:8443", "[::1]:80", "127.0.0.1"] {
            assert_eq!(FunctionManifest { hosts: vec![host.into()], ..handler.clone() }.check(0), Ok(()));
        }
        check_refused(&FunctionManifest { secrets: vec!["a/b".into()], ..handler.clone() }, "secrets");
        for (schedules, part) in [
            (vec![every_hour("", "a")], "schedules[0].key"),
            (vec![every_hour("k", "a"), every_hour("k", "a")], "schedules[1].key"),
            (vec![every_hour("k", "b")], "schedules[0].type"),
            (vec![every_hour("k", "a*")], "schedules[0].type"),
        ] {
            check_refused(&FunctionManifest { schedules, ..handler.clone() }, part);
        }
    }
}
