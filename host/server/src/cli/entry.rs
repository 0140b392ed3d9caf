//! From the arguments to the exit code.

use std::process::ExitCode;

use clap::Parser;

use super::arguments::{Arguments, Verb};
use super::failure::report;
use super::{
    aggregate, append, backup, bench, build, command, consumers, demo, deploy, diff, events, export, flow, fork, functions, import, logs,
    modules, namespaces, outbox, parked, promote, query, rebuild, rehearse, replays, restore, retell, rollback, serve, test, timers, token,
    types, verify, why,
};

/// Runs the verb that the command line names.
pub fn main() -> ExitCode {
    let Arguments { mut common, verb } = Arguments::parse();
    common.token = token::Bearer::of_environment();
    let outcome = match verb {
        Verb::Compile { .. } => return crate::wasm::compile_child_main(),
        Verb::Serve(verb) => serve::run(&common, &verb),
        Verb::Append(verb) => append::run(&common, &verb),
        Verb::Command(verb) => command::run(&common, &verb),
        Verb::Query(verb) => query::run(&common, &verb),
        Verb::Aggregate(verb) => aggregate::run(&common, &verb),
        Verb::Test(verb) => test::run(&common, &verb),
        Verb::Types(verb) => types::run(&common, &verb),
        Verb::Logs(verb) => logs::run(&common, &verb),
        Verb::Events(verb) => events::run(&common, &verb),
        Verb::Why(verb) => why::run(&common, &verb),
        Verb::Flow(verb) => flow::run(&common, &verb),
        Verb::Build(verb) => build::run(&common, &verb),
        Verb::Deploy(verb) => deploy::run(&common, &verb),
        Verb::Rehearse(verb) => rehearse::run(&common, &verb),
        Verb::Rollback(verb) => rollback::run(&common, &verb),
        Verb::Replays(verb) => replays::run(&common, &verb),
        Verb::Fork(verb) => fork::run(&common, &verb),
        Verb::Retell(verb) => retell::run(&common, &verb),
        Verb::Diff(verb) => diff::run(&common, &verb),
        Verb::Promote(verb) => promote::run(&common, &verb),
        Verb::Modules(verb) => modules::run(&common, &verb),
        Verb::Functions(verb) => functions::run(&common, &verb),
        Verb::Parked(verb) => parked::run(&common, &verb),
        Verb::Outbox(verb) => outbox::run(&common, &verb),
        Verb::Consumers(verb) => consumers::run(&common, &verb),
        Verb::Timers(verb) => timers::run(&common, &verb),
        Verb::Namespaces(verb) => namespaces::run(&common, &verb),
        Verb::Token(verb) => token::run(&common, &verb),
        Verb::Backup(verb) => backup::run(&common, &verb),
        Verb::Restore(verb) => restore::run(&common, &verb),
        Verb::Export(verb) => export::run(&common, &verb),
        Verb::Import(verb) => import::run(&common, &verb),
        Verb::Verify(verb) => verify::run(&common, &verb),
        Verb::Rebuild(verb) => rebuild::run(&common, &verb),
        Verb::Demo(verb) => demo::run(&common, &verb),
        Verb::Bench(verb) => bench::run(&common, &verb),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, common.json),
    }
}
