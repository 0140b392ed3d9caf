//! What can be written on the command line: the verbs, and what they share.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{
    aggregate, append, backup, bench, build, command, consumers, demo, deploy, diff, events, export, flow, fork, functions, import, logs,
    modules, namespaces, outbox, parked, promote, query, rebuild, rehearse, replays, restore, retell, rollback, serve, test, timers, token,
    types, verify, why,
};

const AFTER_HELP: &str = "\
The first ten minutes:
  retold demo                               a host, handlers and a day of flights, explained
  retold serve                              a host on 127.0.0.1:7070, data in ./retold-data
  retold build my-handlers                  a Rust crate becomes a .wasm file
  retold deploy my_handlers.wasm            its functions start to read the log
  retold append orders.ndjson               events in; each line a CloudEvent
  retold command cart.check-out --subject cart/1
                                            an aggregate decides, and what follows is recorded
  retold query order-history order/1        what a view has made of it all
  retold rehearse my_handlers.wasm          what a new version would make of history
  retold events --follow                    everything that happens, as it happens
  retold why 17                             what caused event 17, and what it caused

Exit codes:
  0 success    1 failure (no host, a failing disk)    2 a wrong command line    3 refused by the host

A host that has access tokens answers who sends one: put it into RETOLD_TOKEN.";

/// An append-only log of events, and sandboxed WebAssembly functions that read it exactly once.
#[derive(Debug, Parser)]
#[command(name = "retold", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Where the host is, and how answers are printed: the same for every verb.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The host's address [env: RETOLD_URL] [default: http://127.0.0.1:7070]
    #[arg(long, global = true, value_name = "URL", help_heading = "Common options")]
    pub url: Option<String>,
    /// Certificates in PEM that vouch for a host at https:// [env: RETOLD_CA] [default: those that the machine trusts]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Common options")]
    pub ca: Option<PathBuf>,
    /// The access token that is sent: from RETOLD_TOKEN and never from the command line, which others can read
    #[arg(skip)]
    pub token: Option<token::Bearer>,
    /// The log that is meant [default: main]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Common options")]
    pub namespace: Option<String>,
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = "Common options")]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a host
    Serve(serve::Serve),
    /// Append events from a file or standard input
    Append(append::Append),
    /// Send a command to the aggregate that decides it
    Command(command::Command),
    /// Print rows of a view, or ask it in its own words
    Query(query::Query),
    /// Print what an aggregate knows of a subject, now or then
    Aggregate(aggregate::Aggregate),
    /// Print events, or follow them as they come
    Events(events::Events),
    /// Show the catalogue of types; give one a schema
    Types(types::Types),
    /// Print what caused an event, and what it caused
    Why(why::Why),
    /// Show who makes what and who reads it; draw it for a README
    Flow(flow::Show),
    /// Build a guest crate into a .wasm file
    Build(build::Build),
    /// Run scenarios against a compiled module
    Test(test::Test),
    /// Upload a module; its functions start to read the log
    Deploy(deploy::Deploy),
    /// Replay history through a module and report what comes out otherwise
    Rehearse(rehearse::Rehearse),
    /// Go back to an earlier version of a module
    Rollback(rollback::Rollback),
    /// Show rehearsals and other replays; stop, resume or drop one
    Replays(replays::Replays),
    /// Make a namespace that shares another's history up to a position
    Fork(fork::Fork),
    /// Tell a namespace's events again, through other modules or without some of them
    Retell(retell::Retell),
    /// Hold two namespaces against each other
    Diff(diff::Diff),
    /// Have a retelling take its base's place, or go back
    Promote(promote::Promote),
    /// Print what a function said, or follow it
    Logs(logs::Logs),
    /// List or remove modules
    Modules(modules::Modules),
    /// Show functions; pause, resume or rewind one
    Functions(functions::Functions),
    /// Show the events that a function set aside, or release them
    Parked(parked::Parked),
    /// Show requests that wait to be sent, and what is held back; send, release or discard it
    Outbox(outbox::Outbox),
    /// Show consumers; make one, fetch from it, release what it set aside
    Consumers(consumers::Consumers),
    /// Show timers that are set, and schedules
    Timers(timers::Timers),
    /// List, create or drop namespaces
    Namespaces(namespaces::Namespaces),
    /// Make, list or revoke access tokens
    Token(token::Tokens),
    /// Back a namespace up into a folder while it is used; again, what came since
    Backup(backup::Backup),
    /// Make a namespace out of its backups, as it was or as it was then
    Restore(restore::Restore),
    /// Print a namespace's log as lines of JSON, all of it
    Export(export::Export),
    /// Make a namespace out of the lines of an export
    Import(import::Import),
    /// Check that a data directory is whole, or with --replay that functions make what is recorded
    Verify(verify::Verify),
    /// Make everything of a namespace anew that follows from its log
    Rebuild(rebuild::Rebuild),
    /// Start a host with example handlers and a day of real flights
    Demo(demo::Demo),
    /// Measure a host over HTTP, beside this machine's own limits
    Bench(bench::Bench),
    /// Compiles one module from standard input; the host runs it as a process of its own
    #[command(name = "__compile", hide = true)]
    Compile {
        /// Its limits, which it reads for itself
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        limits: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_function_is_shown_or_told_what_to_do() {
        for line in ["functions", "functions pricing", "functions --json pause pricing", "functions rewind pricing --to 0"] {
            let arguments = Arguments::try_parse_from(["retold"].into_iter().chain(line.split(' ')));
            assert!(arguments.is_ok(), "{line}");
        }
    }

    #[test]
    fn common_options_may_stand_before_or_after_the_verb() {
        let before = Arguments::parse_from(["retold", "--json", "--namespace", "shop", "modules"]);
        let after = Arguments::parse_from(["retold", "modules", "--json", "--namespace", "shop"]);
        assert!(before.common.json && after.common.json);
        assert_eq!((before.common.namespace.as_deref(), after.common.namespace.as_deref()), (Some("shop"), Some("shop")));
    }
}
