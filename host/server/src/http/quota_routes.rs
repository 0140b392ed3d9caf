//! The routes of what one namespace may have. Its own operator is not asked: the bound is there for the others' sake.

use http::Method;

use super::problem_kinds as kinds;
use super::quota;
use super::route::{Gives, Needs, Route, Takes};
use crate::drive::Scope;

pub static QUOTA_ROUTES: &[Route] = &[
    Route {
        method: Method::PUT,
        path: "/v1/namespaces/{ns}/quota",
        name: "setQuota",
        summary: "Give a namespace a quota and a rate of its own; what is left out is as the host has it for all",
        needs: Needs::Everywhere(Scope::Operate),
        query: &[],
        takes: Takes::Json("Quota"),
        gives: &[(200, Gives::Json("Namespace"))],
        problems: &[&kinds::UNKNOWN_NAMESPACE, &kinds::READ_ONLY, &kinds::TOO_LARGE, &kinds::BODY_TIMEOUT],
        handler: |call| Box::pin(quota::set_quota(call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/namespaces/{ns}/quota",
        name: "dropQuota",
        summary: "Hold a namespace to what the host has for all again",
        needs: Needs::Everywhere(Scope::Operate),
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Namespace"))],
        problems: &[&kinds::UNKNOWN_NAMESPACE, &kinds::READ_ONLY],
        handler: |call| Box::pin(quota::drop_quota(call)),
    },
];
