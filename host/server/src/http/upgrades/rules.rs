//! Rules of a retelling, as a body has them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use retold_engine::model::{TypePattern, limits};
use serde::Deserialize;

use super::super::problem::Problem;
use super::super::problem_kinds as kinds;
use super::super::timestamps::parse_timestamp;
use crate::drive::{RetellRequest, RetellRule};

/// What is retold, as the body says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetellBody<'a> {
    #[serde(borrow)]
    base: Cow<'a, str>,
    #[serde(borrow, default)]
    with: Vec<ModuleBody<'a>>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    drop: Vec<RuleBody>,
    #[serde(default)]
    keep: Vec<RuleBody>,
    #[serde(default)]
    forget: Vec<String>,
    budget: Option<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleBody<'a> {
    /// Left out: as its manifest says.
    #[serde(default)]
    name: String,
    /// The module's bytes in base64.
    #[serde(borrow)]
    wasm: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleBody {
    r#type: Option<String>,
    subject: Option<String>,
    tag: Option<String>,
    before: Option<String>,
}

impl RetellBody<'_> {
    /// What is asked for, read whole; `name` is that of the namespace that is made.
    pub fn request(self, name: String) -> Result<RetellRequest, Problem> {
        if let Some(percent) = self.budget.filter(|percent| !(1..=100).contains(percent)) {
            return Err(wrong("budget", format!("is {percent}: use a percentage from 1 to 100")));
        }
        if self.forget.iter().any(String::is_empty) {
            return Err(wrong("forget", "holds an empty subject: name the subjects that are to be erased".to_owned()));
        }
        let rules = |field, rules: Vec<RuleBody>| rules.into_iter().map(|rule| rule.rule(field)).collect::<Result<Vec<_>, _>>();
        Ok(RetellRequest {
            base: self.base.into_owned(),
            name,
            modules: self.with.into_iter().map(ModuleBody::module).collect::<Result<_, _>>()?,
            without: self.without,
            drop: rules("drop", self.drop)?,
            keep: rules("keep", self.keep)?,
            forget: self.forget,
            budget_percent: self.budget,
        })
    }
}

impl ModuleBody<'_> {
    fn module(self) -> Result<(String, Bytes), Problem> {
        let bytes = STANDARD.decode(self.wasm.as_bytes()).map_err(|error| {
            wrong("with", format!("has a `wasm` of {:?} that is no base64 ({error}): send the file's bytes so", self.name))
        })?;
        if bytes.len() > limits::MODULE_BYTES_MAX {
            let what = format!("module {:?} has {} bytes: at most {}; make it smaller", self.name, bytes.len(), limits::MODULE_BYTES_MAX);
            let problem = Problem::new(&kinds::TOO_LARGE, what).with("limit", "module-bytes").with("found", bytes.len());
            return Err(problem.with("max", limits::MODULE_BYTES_MAX));
        }
        Ok((self.name, bytes.into()))
    }
}

impl RuleBody {
    /// A rule without a condition would fit everything: that is never meant.
    fn rule(self, field: &'static str) -> Result<RetellRule, Problem> {
        let RuleBody { r#type, subject, tag, before } = self;
        if r#type.is_none() && subject.is_none() && tag.is_none() && before.is_none() {
            return Err(wrong(field, "holds a rule that says nothing: give it a type, a subject, a tag or a time before".to_owned()));
        }
        if let Some(pattern) = r#type.as_ref().filter(|pattern| TypePattern::parse(pattern).is_none()) {
            return Err(wrong(field, format!("holds the type {pattern:?}: use one such as order.placed, or a pattern such as order.*")));
        }
        if let Some(subject) = subject.as_ref().filter(|subject| subject.trim_end_matches('*').contains('*')) {
            return Err(wrong(field, format!("holds the subject {subject:?}: an asterisk stands at its end only, such as cart/*")));
        }
        let before =
            before.map(|text| parse_timestamp(&text).map_err(|what| wrong(field, format!("holds a `before` of {text:?}, which {what}"))));
        Ok(RetellRule { r#type, subject, tag, before: before.transpose()? })
    }
}

fn wrong(field: &'static str, what: String) -> Problem {
    Problem::new(&kinds::MALFORMED_REQUEST, format!("`{field}` {what}")).with("field", field)
}

#[cfg(test)]
mod tests {
    use retold_engine::model::Timestamp;

    use super::*;

    fn read(json: &str) -> Result<RetellRequest, Problem> {
        let body: RetellBody<'_> = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}"));
        body.request("retold".into())
    }

    #[test]
    fn a_retelling_is_asked_for_with_its_modules_and_rules() {
        let request = read(
            r#"{"base":"main","with":[{"name":"shop","wasm":"AGFzbQ=="}],"without":["old"],"forget":["customer/7"],"budget":50,
                "drop":[{"type":"order.*","before":"1970-01-01T00:00:01Z"}],"keep":[{"subject":"cart/*","tag":"eu"}]}"#,
        )
        .unwrap_or_else(|problem| panic!("{}", problem.detail));
        assert_eq!((request.base.as_str(), request.name.as_str(), request.budget_percent), ("main", "retold", Some(50)));
        assert_eq!(request.modules, [("shop".to_owned(), Bytes::from_static(b"\0asm"))]);
        assert_eq!((request.without, request.forget), (vec!["old".to_owned()], vec!["customer/7".to_owned()]));
        let before = Some(Timestamp(1_000_000));
        assert_eq!(request.drop, [RetellRule { r#type: Some("order.*".into()), before, ..RetellRule::default() }]);
        assert_eq!(request.keep, [RetellRule { subject: Some("cart/*".into()), tag: Some("eu".into()), ..RetellRule::default() }]);
    }

    #[test]
    fn a_rule_that_could_mean_more_than_was_meant_is_refused() {
        for (members, says) in [
            (r#""drop":[{}]"#, "says nothing"),
            (r#""keep":[{"type":"a*b"}]"#, "pattern"),
            (r#""drop":[{"subject":"a*b"}]"#, "at its end"),
            (r#""drop":[{"before":"yesterday"}]"#, "RFC 3339"),
            (r#""forget":[""]"#, "empty subject"),
            (r#""budget":0"#, "1 to 100"),
            (r#""with":[{"name":"shop","wasm":"?"}]"#, "base64"),
        ] {
            let refused = read(&format!(r#"{{"base":"main",{members}}}"#));
            assert!(refused.is_err_and(|problem| problem.detail.contains(says)), "{members}");
        }
        assert!(serde_json::from_str::<RetellBody<'_>>(r#"{"base":"main","drop":[{"typ":"x"}]}"#).is_err());
    }
}
