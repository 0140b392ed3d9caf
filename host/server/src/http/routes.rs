//! All routes of the host, on one page. Requests are dispatched by this table, and `/openapi.json` and
//! `/` are written from it: what isn't here doesn't exist, and what is here is documented.

use http::Method;

use super::call::Handler;
use super::parameters::{self as query, Parameter};
use super::problem_kinds::{self as kinds, Kind};
use super::{admin, events, openapi};

pub struct Route {
    pub method: Method,
    /// `{ns}`, `{name}` and `{position}` stand for one part of the path each.
    pub path: &'static str,
    /// OpenAPI's `operationId`.
    pub name: &'static str,
    pub summary: &'static str,
    pub query: &'static [Parameter],
    pub takes: Takes,
    pub gives: &'static [(u16, Gives)],
    /// Beside those that any request may meet.
    pub problems: &'static [&'static Kind],
    pub handler: Handler,
}

/// What a request's body is. Names are those of OpenAPI schemas.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    Nothing,
    Events,
    Wasm,
    Json(&'static str),
    /// The body may be left out.
    OptionalJson(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub enum Gives {
    Json(&'static str),
    Text,
    Event,
    /// A page, a batch, lines or a stream, by `Accept`.
    Events,
}

const NAMESPACE: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE];
const EVENT: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_EVENT];
const MODULE: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_MODULE];
const FUNCTION: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION];
const CONTROL: &[&Kind] = &[&kinds::UNKNOWN_NAMESPACE, &kinds::UNKNOWN_FUNCTION, &kinds::CONTROL_CONFLICT];
const APPEND: &[&Kind] =
    &[&kinds::UNKNOWN_NAMESPACE, &kinds::INVALID_EVENT, &kinds::CONTENT_CONFLICT, &kinds::CONDITION_FAILED, &kinds::TOO_LARGE, &kinds::UNSUPPORTED_MEDIA, &kinds::BODY_TIMEOUT];
const DEPLOY: &[&Kind] = &[
    &kinds::UNKNOWN_NAMESPACE, &kinds::NOT_WASM, &kinds::MODULE_REFUSED, &kinds::NAME_TAKEN, &kinds::STATE_CONFLICT, &kinds::LIMIT_REACHED, &kinds::TOO_LARGE, &kinds::UNSUPPORTED_MEDIA,
];

/// The busiest first: they are found in this order.
pub static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v1/namespaces/{ns}/events",
        name: "appendEvents",
        summary: "Append events: one, several together, or a stream of lines",
        query: &[query::WAIT, query::TIMEOUT, query::IF_NONE_AFTER, query::IF_NONE_TYPES, query::IF_NONE_SUBJECTS, query::IF_NONE_TAGS],
        takes: Takes::Events,
        gives: &[(201, Gives::Json("Appended")), (200, Gives::Json("Appended")), (202, Gives::Json("Appended"))],
        problems: APPEND,
        handler: |call| Box::pin(events::append(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/events",
        name: "readEvents",
        summary: "Read events in order: a page, all as lines, or a stream to follow",
        query: &[query::AFTER, query::TYPES, query::SUBJECTS, query::TAGS, query::LIMIT, query::WAIT_FOR_EVENTS],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Events)],
        problems: NAMESPACE,
        handler: |call| Box::pin(events::read(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/events/{position}",
        name: "readEvent",
        summary: "Read one event",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Event)],
        problems: EVENT,
        handler: |call| Box::pin(events::one(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/events/{position}/causes",
        name: "readCauses",
        summary: "Read what led to an event, and what it led to",
        query: &[query::SEARCH_LIMIT],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Causes"))],
        problems: EVENT,
        handler: |call| Box::pin(events::causes(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/modules",
        name: "listModules",
        summary: "List active modules",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Modules"))],
        problems: NAMESPACE,
        handler: |call| Box::pin(admin::list_modules(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/modules/{name}",
        name: "readModule",
        summary: "Read how a module stands",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Module"))],
        problems: MODULE,
        handler: |call| Box::pin(admin::one_module(call)),
    },
    Route {
        method: Method::PUT,
        path: "/v1/namespaces/{ns}/modules/{name}",
        name: "deployModule",
        summary: "Deploy a module: check, compile and activate it",
        query: &[],
        takes: Takes::Wasm,
        gives: &[(201, Gives::Json("Module")), (200, Gives::Json("Module"))],
        problems: DEPLOY,
        handler: |call| Box::pin(admin::deploy(call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/namespaces/{ns}/modules/{name}",
        name: "removeModule",
        summary: "Remove a module: its functions are retired, what they made stays",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Removed"))],
        problems: MODULE,
        handler: |call| Box::pin(admin::remove(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/functions",
        name: "listFunctions",
        summary: "List functions: state, cursor, lag, failures, limits",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Functions"))],
        problems: NAMESPACE,
        handler: |call| Box::pin(admin::list_functions(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/functions/{name}",
        name: "readFunction",
        summary: "Read how a function stands",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Function"))],
        problems: FUNCTION,
        handler: |call| Box::pin(admin::one_function(call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/namespaces/{ns}/functions/{name}/pause",
        name: "pauseFunction",
        summary: "Pause a function where it is",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Function"))],
        problems: CONTROL,
        handler: |call| Box::pin(admin::pause(call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/namespaces/{ns}/functions/{name}/resume",
        name: "resumeFunction",
        summary: "Let a paused or halted function go on",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Function"))],
        problems: CONTROL,
        handler: |call| Box::pin(admin::resume(call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/namespaces/{ns}/functions/{name}/rewind",
        name: "rewindFunction",
        summary: "Let a function read again from an earlier place; its state is rebuilt first",
        query: &[query::TO],
        takes: Takes::OptionalJson("Rewind"),
        gives: &[(200, Gives::Json("Function"))],
        problems: CONTROL,
        handler: |call| Box::pin(admin::rewind(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}/functions/{name}/parked",
        name: "listParked",
        summary: "List the events that a function has set aside, oldest first",
        query: &[query::AFTER, query::PARKED_LIMIT],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Parked"))],
        problems: FUNCTION,
        handler: |call| Box::pin(admin::list_parked(call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/namespaces/{ns}/functions/{name}/release",
        name: "releaseParked",
        summary: "Try parked events again: all, or those of one subject",
        query: &[],
        takes: Takes::OptionalJson("Release"),
        gives: &[(200, Gives::Json("Function"))],
        problems: CONTROL,
        handler: |call| Box::pin(admin::release(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces",
        name: "listNamespaces",
        summary: "List namespaces",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Namespaces"))],
        problems: &[],
        handler: |call| Box::pin(admin::list_namespaces(call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/namespaces",
        name: "createNamespace",
        summary: "Make a namespace: a log of its own",
        query: &[],
        takes: Takes::Json("NewNamespace"),
        gives: &[(201, Gives::Json("Namespace")), (200, Gives::Json("Namespace"))],
        problems: &[&kinds::INVALID_NAME],
        handler: |call| Box::pin(admin::create_namespace(call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/namespaces/{ns}",
        name: "readNamespace",
        summary: "Read how a namespace stands",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Namespace"))],
        problems: NAMESPACE,
        handler: |call| Box::pin(admin::one_namespace(call)),
    },
    Route {
        method: Method::GET,
        path: "/healthz",
        name: "alive",
        summary: "Whether the host answers",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Alive"))],
        problems: &[],
        handler: |call| Box::pin(admin::alive(call)),
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        name: "ready",
        summary: "Whether every namespace can be written; lag and the oldest parked event",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Ready")), (503, Gives::Json("Ready"))],
        problems: &[],
        handler: |call| Box::pin(admin::ready(call)),
    },
    Route {
        method: Method::GET,
        path: "/metrics",
        name: "metrics",
        summary: "Figures for Prometheus",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Text)],
        problems: &[],
        handler: |call| Box::pin(admin::metrics(call)),
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        name: "openapi",
        summary: "This interface as OpenAPI 3.1",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("OpenApi"))],
        problems: &[],
        handler: |call| Box::pin(openapi::openapi(call)),
    },
    Route {
        method: Method::GET,
        path: "/",
        name: "index",
        summary: "This list",
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Text)],
        problems: &[],
        handler: |call| Box::pin(admin::index(call)),
    },
];
