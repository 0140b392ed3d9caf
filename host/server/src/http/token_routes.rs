//! The routes of access tokens.

use http::Method;

use super::problem_kinds as kinds;
use super::route::{Gives, Needs, Route, Takes};
use super::tokens;
use crate::drive::Scope;

pub static TOKEN_ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/tokens",
        name: "listTokens",
        summary: "List access tokens: what each may do, where and until when, and never its secret",
        needs: Needs::Everywhere(Scope::Operate),
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Tokens"))],
        problems: &[],
        handler: |call| Box::pin(tokens::list_tokens(call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/tokens",
        name: "createToken",
        summary: "Make an access token, which is shown in this answer only; from the first one on everybody needs one",
        needs: Needs::Everywhere(Scope::Operate),
        query: &[],
        takes: Takes::Json("NewToken"),
        gives: &[(201, Gives::Json("TokenCreated"))],
        problems: &[&kinds::INVALID_TOKEN, &kinds::NO_OPERATOR, &kinds::LIMIT_REACHED, &kinds::TOO_LARGE, &kinds::BODY_TIMEOUT],
        handler: |call| Box::pin(tokens::create_token(call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/tokens/{id}",
        name: "revokeToken",
        summary: "Revoke an access token: its next request is refused, what it holds open is cut",
        needs: Needs::Everywhere(Scope::Operate),
        query: &[],
        takes: Takes::Nothing,
        gives: &[(200, Gives::Json("Token"))],
        problems: &[&kinds::UNKNOWN_TOKEN, &kinds::NO_OPERATOR],
        handler: |call| Box::pin(tokens::revoke_token(call)),
    },
];
