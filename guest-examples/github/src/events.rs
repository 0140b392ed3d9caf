//! The events: `github.` and what `X-GitHub-Event` says. Their data is the payload as it came.
//!
//! Whoever reads one names the members that it wants: `struct Push { pusher: Pusher }`.

use retold::prelude::*;

#[derive(Event)]
#[event("github.ping")]
pub struct Ping;

#[derive(Event)]
#[event("github.push")]
pub struct Push;

#[derive(Event)]
#[event("github.issues")]
pub struct Issues;

#[derive(Event)]
#[event("github.pull_request")]
pub struct PullRequest;

#[derive(Event)]
#[event("github.release")]
pub struct Release;

#[derive(Event)]
#[event("github.star")]
pub struct Star;

/// One of them.
#[derive(Event)]
pub enum Delivery {
    Ping(Emit<Verbatim<Ping>>),
    Push(Emit<Verbatim<Push>>),
    Issues(Emit<Verbatim<Issues>>),
    PullRequest(Emit<Verbatim<PullRequest>>),
    Release(Emit<Verbatim<Release>>),
    Star(Emit<Verbatim<Star>>),
}
