//! `retold token`: who may do what with a host.

mod bearer;
mod shown;
mod stored;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::address;
use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};

pub use bearer::Bearer;
pub use stored::has_tokens;

const AFTER_HELP: &str = "\
Examples:
  retold token create admin --allow append,read,command,query,deploy,operate
  retold token create ci --namespace shop --allow deploy --expires 90d
  retold token list
  retold token revoke 3m8q1x7c
  retold token create admin --allow operate --data /var/lib/retold        where no host runs yet

A token is printed once; programs get it as RETOLD_TOKEN. From the first one on, every request to the host needs
one, so the first must allow `operate` in all namespaces, and so must one of those that are left.

  append    append events                       query     read views and aggregates
  read      read events, functions, consumers   deploy    deploy, rehearse and remove modules; set schemas
  command   send commands                       operate   everything else; in all namespaces: tokens and metrics too";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Tokens {
    #[command(subcommand)]
    verb: Verb,
    /// Work on the data of a host that isn't running
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token, and print it this once
    Create(Create),
    /// Show what tokens there are, and what they allow
    List,
    /// Have a token be worth nothing from now on
    Revoke { id: String },
}

#[derive(Debug, Args)]
struct Create {
    /// What you call it: who or what it is for
    name: String,
    /// A namespace that it is for; may be repeated; all without it
    #[arg(long, value_name = "NAME")]
    namespace: Vec<String>,
    /// What it allows: append, read, command, query, deploy, operate
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    allow: Vec<String>,
    /// When it ends: a time from now such as 90d or 12h, or a moment such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Requests a second that it may send, such as 100/s; else as many as the host allows each token
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
}

impl Create {
    fn body(&self) -> Value {
        let namespaces = (!self.namespace.is_empty()).then_some(&self.namespace);
        json!({ "name": self.name, "namespaces": namespaces, "allow": self.allow, "expires": self.expires, "rate": self.rate })
    }
}

pub fn run(common: &Common, Tokens { verb, data }: &Tokens) -> Result<()> {
    match verb {
        Verb::Create(create) => {
            let created = match data {
                Some(data) => stored::create(data, create)?,
                None => post(common, create)?,
            };
            if common.json {
                return print_json(&created);
            }
            eprint!("{}", shown::created(&created));
            print(&format!("{}\n", created["token"].as_str().unwrap_or_default()))
        }
        Verb::List => {
            let tokens = match data {
                Some(data) => stored::list(data)?,
                None => Client::new(common)?.get("/v1/tokens")?,
            };
            if common.json { print_json(&tokens) } else { print(&shown::listed(&tokens)) }
        }
        Verb::Revoke { id } => {
            let revoked = match data {
                Some(data) => stored::revoke(data, id)?,
                None => Client::new(common)?.delete(&address::host(&["tokens", id]))?,
            };
            if common.json { print_json(&revoked) } else { print(&shown::revoked(&revoked)) }
        }
    }
}

fn post(common: &Common, create: &Create) -> Result<Value> {
    let body = create.body().to_string();
    let created = Client::new(common)?.post("/v1/tokens", "application/json", body.as_bytes());
    created.with_context(|| format!("no token {} is made", create.name))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Verb as Any};
    use super::*;

    #[track_caller]
    fn created(line: &[&str]) -> Create {
        let arguments = Arguments::try_parse_from(["retold"].iter().chain(line)).unwrap_or_else(|error| panic!("{error}"));
        match arguments.verb {
            Any::Token(Tokens { verb: Verb::Create(create), .. }) => create,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_is_for_the_namespaces_that_are_named_and_without_any_for_all() {
        let all = created(&["token", "create", "ci", "--allow", "read,append", "--allow", "query"]);
        assert_eq!((all.namespace.len(), all.allow.join(" ")), (0, "read append query".into()));
        assert_eq!(all.body()["namespaces"], Value::Null);
        let two = created(&["token", "create", "ci", "--namespace", "shop", "--namespace", "main", "--allow", "read", "--data", "x"]);
        assert_eq!(two.namespace, ["shop", "main"]);
        assert_eq!(created(&["--namespace", "shop", "token", "create", "ci", "--allow", "read"]).namespace, ["shop"]);
    }

    #[test]
    fn no_token_is_ever_taken_from_the_command_line_k2() {
        for line in [["retold", "--token", "x", "events"], ["retold", "events", "--token", "x"]] {
            assert!(Arguments::try_parse_from(line).is_err());
        }
    }
}
