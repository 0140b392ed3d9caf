//! What the host says of one of its routes.

use http::Method;

use super::call::Handler;
use super::parameters::Parameter;
use super::problem_kinds::Kind;
use crate::drive::Scope;

pub struct Route {
    pub method: Method,
    /// `{ns}`, `{name}` and their like stand for one part of the path each, `{key+}` for all that is left.
    pub path: &'static str,
    /// OpenAPI's `operationId`.
    pub name: &'static str,
    pub summary: &'static str,
    pub needs: Needs,
    pub query: &'static [Parameter],
    pub takes: Takes,
    pub gives: &'static [(u16, Gives)],
    /// Beside those that any request may meet.
    pub problems: &'static [&'static Kind],
    pub handler: Handler,
}

impl Route {
    /// Whether it changes how something stands, other than by events and commands.
    pub fn changes(&self) -> bool {
        let operates = matches!(
            self.needs,
            Needs::InPath(Scope::Deploy | Scope::Operate)
                | Needs::OperateAndDeploy
                | Needs::InBody(Scope::Deploy | Scope::Operate)
                | Needs::Everywhere(_)
        );
        operates && self.method != Method::GET
    }

    /// What stands in a path where the template has `{name}`, as it was sent. `{name+}`, the last part of a
    /// template, stands for all the rest. Empty, if the template has no such part.
    pub fn part<'p>(&self, path: &'p str, name: &str) -> &'p str {
        let mut rest = path;
        for wanted in self.path.split('/') {
            let (part, after) = rest.split_once('/').unwrap_or((rest, ""));
            match wanted.strip_prefix('{').and_then(|wanted| wanted.strip_suffix('}')) {
                Some(wanted) if wanted == name => return part,
                Some(wanted) if wanted.strip_suffix('+') == Some(name) => return rest,
                _ => rest = after,
            }
        }
        ""
    }
}

/// What a request must show once the host has tokens. While it has none, nobody needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Anybody may ask: what is shown isn't looked at.
    Nothing,
    /// Anybody may ask; who shows a token is told more.
    Optional,
    /// A token, whichever: the answer is about what it reaches.
    AnyToken,
    /// A token for the namespace of the path, whatever it may do there.
    Reach,
    /// A token that may do this in every namespace that the path names.
    InPath(Scope),
    /// A token that may operate and deploy in the namespace of the path: what comes in brings modules.
    OperateAndDeploy,
    /// A token that may do this in every namespace that the body names: the handler looks at them with `Pass::demand`.
    InBody(Scope),
    /// A token that may do this in all namespaces.
    Everywhere(Scope),
}

/// What a request's body is. Names are those of OpenAPI schemas.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    Nothing,
    Events,
    Command,
    Question,
    /// Whatever the sender sends.
    Foreign,
    Schema,
    Wasm,
    /// Stretches of a log, and modules.
    Backup,
    Json(&'static str),
    /// The body may be left out.
    OptionalJson(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub enum Gives {
    Json(&'static str),
    /// One of two.
    Either(&'static str, &'static str),
    Text,
    /// A stretch of a log.
    Backup,
    Wasm,
    /// Whatever a view's query answers.
    Payload,
    /// Where the events are, or whatever an ingress function answers.
    Foreign,
    LogLines,
    Event,
    /// A page, a batch, lines or a stream, by `Accept`.
    Events,
}
