//! `retold retell`: a namespace's source events told again, through other modules or without some of them.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::rehearse::detached;
use super::rehearsing::Percent;
use super::replay::{Watch, follow, report};
use super::rules::Rule;
use super::uploading::failed;

const AFTER_HELP: &str = "\
Examples:
  retold retell main --as retold --with build/shop_v2.wasm
  retold retell main --as retold --with shop=build/shop-2.wasm --without old-reports
  retold retell main --as slim --drop 'type=page.viewed,before=2025-01-01T00:00:00Z'
  retold retell main --as eu --keep tag=eu
  retold retell main --as clean --forget customer/7
  retold diff main retold                   then: what came out otherwise
  retold promote retold                     then: it takes main's place

Source events are told again from the first on, in their order and at their times; what functions make of
them is made anew. It then follows its base until it is promoted or dropped. All that is given in a rule
must fit; of several rules one is enough. A subject that is forgotten leaves no byte behind, once the old
generation is dropped too.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Retell {
    /// The namespace that is told again
    #[arg(value_name = "BASE")]
    base: String,
    /// The name of the new one
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// A module that takes the place of the one of its name, or comes beside the others
    #[arg(long, value_name = "[MODULE=]FILE.wasm")]
    with: Vec<Module>,
    /// A module of the base that is left out
    #[arg(long, value_name = "MODULE")]
    without: Vec<String>,
    /// Source events that are left out: type=order.*,subject=cart/*,tag=x,before=TIME
    #[arg(long, value_name = "RULE")]
    drop: Vec<Rule>,
    /// The only source events that are kept
    #[arg(long, value_name = "RULE")]
    keep: Vec<Rule>,
    /// A subject that is erased for good
    #[arg(long, value_name = "SUBJECT")]
    forget: Vec<String>,
    /// How much of a processor's time it may take, such as 50% [default: what live work leaves]
    #[arg(long, value_name = "PERCENT")]
    budget: Option<Percent>,
    /// Don't wait until it is level: print the replay's id
    #[arg(long)]
    detach: bool,
}

/// A file, and the name that the module in it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Module {
    name: Option<String>,
    file: PathBuf,
}

impl FromStr for Module {
    type Err = String;

    fn from_str(text: &str) -> Result<Module, String> {
        let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if let Some((name, file)) = text.split_once('=').filter(|(name, _)| is_name(name)) {
            return Ok(Module { name: Some(name.to_owned()), file: file.into() });
        }
        Ok(Module { name: None, file: text.into() })
    }
}

pub fn run(common: &Common, retell: &Retell) -> Result<()> {
    // The replay is one of the base's.
    let client = Client::new(common)?.of(&retell.base);
    let body = retell.body()?.to_string();
    let replay = client.post("/v1/namespaces", "application/json", body.as_bytes())?;
    if retell.detach {
        return detached(common, &replay);
    }
    let replay = follow(&client, replay, if common.json { Watch::Quiet } else { Watch::Person })?;
    if common.json {
        print_json(&replay)?
    } else {
        print(&report(&replay))?
    }
    if let Some(refusal) = failed(&replay) {
        return Err(refusal.into());
    }
    if common.json { Ok(()) } else { print(&retell.next()) }
}

impl Retell {
    fn body(&self) -> Result<Value> {
        let mut with = Vec::new();
        for Module { name, file } in &self.with {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let mut module = json!({ "wasm": STANDARD.encode(bytes) });
            if let Some(name) = name {
                module["name"] = json!(name);
            }
            with.push(module);
        }
        let rules = |rules: &[Rule]| rules.iter().map(Rule::as_value).collect::<Vec<_>>();
        let mut how = json!({
            "base": self.base, "with": with, "without": self.without,
            "drop": rules(&self.drop), "keep": rules(&self.keep), "forget": self.forget,
        });
        if let Some(Percent(percent)) = self.budget {
            how["budget"] = json!(percent);
        }
        Ok(json!({ "name": self.name, "retell": how }))
    }

    fn next(&self) -> String {
        let Retell { base, name, .. } = self;
        format!(
            "\ncompare it with `retold diff {base} {name}`, have it take over with `retold promote {name}`,\nor remove it with `retold namespaces drop {name}`\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Verb};
    use super::*;

    fn parsed(line: &str) -> Retell {
        let arguments = Arguments::try_parse_from(["retold", "retell"].into_iter().chain(line.split(' ')));
        match arguments.unwrap_or_else(|error| panic!("{error}")).verb {
            Verb::Retell(retell) => retell,
            _ => panic!("another verb"),
        }
    }

    #[test]
    fn a_retelling_is_asked_for_with_modules_rules_and_subjects() {
        let retell =
            parsed("main --as clean --without old --drop type=a,before=2025-01-01T00:00:00Z --drop tag=x --forget customer/7 --budget 50%");
        let expected = json!({ "name": "clean", "retell": {
            "base": "main", "with": [], "without": ["old"], "keep": [], "forget": ["customer/7"], "budget": 50,
            "drop": [{ "type": "a", "before": "2025-01-01T00:00:00Z" }, { "tag": "x" }],
        } });
        assert_eq!(retell.body().ok(), Some(expected));
        assert!(parsed("main --as v2 --with no-such-file.wasm").body().is_err());
    }

    #[test]
    fn a_module_may_be_named_before_its_file() {
        let module = |text: &str| text.parse::<Module>().map(|Module { name, file }| (name, file.display().to_string()));
        assert_eq!(module("build/shop_v2.wasm"), Ok((None, "build/shop_v2.wasm".into())));
        assert_eq!(module("shop=build/shop_v2.wasm"), Ok((Some("shop".into()), "build/shop_v2.wasm".into())));
        assert_eq!(module("a/b=c.wasm"), Ok((None, "a/b=c.wasm".into())));
    }
}
