//! How a verb ends badly: what is printed, and which exit code a script sees.

use std::fmt;
use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::problem::Problem;

/// The host could not be reached, or it or its disk failed.
const FAILURE: u8 = 1;
/// The command line is wrong. clap ends with the same code.
const USAGE: u8 = 2;
/// The host understood and refused: the request has to change.
const REFUSAL: u8 = 3;

/// The command line asks for what can't be; the message says what to write instead.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What was asked for came out otherwise than it was to: the request was understood, and has to change.
#[derive(Debug)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Prints the error for a reader, or for a program, and chooses the exit code.
pub fn report(error: &anyhow::Error, as_json: bool) -> ExitCode {
    if is_closed_output(error) {
        return ExitCode::SUCCESS;
    }
    if as_json {
        eprintln!("{}", as_value(error));
    } else if let Some(problem) = find::<Problem>(error) {
        eprintln!("retold: {}", context(error));
        eprint!("{}", problem.explained());
    } else {
        eprintln!("retold: {}", told(error));
    }
    ExitCode::from(code(error))
}

/// What happened, and because of what, each said once: some errors say their cause themselves.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if cause.starts_with(&told) {
            told = cause;
        } else if !told.ends_with(&cause) {
            told += &format!(": {cause}");
        }
    }
    told
}

fn code(error: &anyhow::Error) -> u8 {
    if find::<Usage>(error).is_some() {
        return USAGE;
    }
    if find::<Refusal>(error).is_some() {
        return REFUSAL;
    }
    match find::<Problem>(error) {
        Some(problem) if (400..500).contains(&problem.status) => REFUSAL,
        _ => FAILURE,
    }
}

/// `retold events | head` closes our output; that is how it should end.
fn is_closed_output(error: &anyhow::Error) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        && find::<Problem>(error).is_none()
        && find::<ureq::Error>(error).is_none()
}

fn find<E: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| cause.downcast_ref::<E>())
}

/// The messages above the problem, which say what was being tried; the problem's title is last.
fn context(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn as_value(error: &anyhow::Error) -> Value {
    match find::<Problem>(error) {
        Some(problem) => problem.as_value(),
        None => json!({ "title": told(error), "exit_code": code(error) }),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[track_caller]
    fn check(error: anyhow::Error, expected: u8) {
        assert_eq!(code(&error), expected, "{error:#}");
        assert_eq!(code(&error.context("while appending")), expected);
    }

    #[test]
    fn a_cause_that_an_error_says_itself_is_not_said_again() {
        #[derive(Debug)]
        struct Reading(io::Error);
        impl fmt::Display for Reading {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "it can't be read: {}", self.0)
            }
        }
        impl std::error::Error for Reading {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = anyhow::Error::new(Reading(io::Error::other("gone"))).context("shop.wasm");
        assert_eq!(told(&error), "shop.wasm: it can't be read: gone");
        assert_eq!(told(&anyhow::anyhow!("one").context("two")), "two: one");
        assert_eq!(told(&anyhow::anyhow!("it is as it was: one").context("it is as it was")), "it is as it was: one");
    }

    #[test]
    fn a_script_can_tell_a_refusal_from_a_failure_and_a_mistyped_command() {
        let problem = |status| Problem::new(status, br#"{"title":"no"}"#);
        check(problem(409).into(), REFUSAL);
        check(problem(422).into(), REFUSAL);
        check(problem(503).into(), FAILURE);
        check(Refusal("pricing makes something else than what is recorded".into()).into(), REFUSAL);
        check(Usage("--listen needs a port".into()).into(), USAGE);
        check(anyhow::anyhow!("the disk is full"), FAILURE);
    }

    #[test]
    fn a_reader_that_closes_the_pipe_is_not_a_failure() {
        let closed: io::Result<()> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        let error = closed.context("while printing").unwrap_err();
        assert!(is_closed_output(&error));
    }
}
