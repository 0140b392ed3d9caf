//! `…/ingress/{name}`: a foreign request, as it came, to the ingress function of that name.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use retold_engine::model::{IngressAnswer, limits};

use super::body::Body;
use super::call::{Answer, Call};
use super::events::response;
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::upload;
use crate::drive::{Received, Taken};

/// Of an answer, these are the host's.
const OWN: &[HeaderName] = &[CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE];

/// 200 once its events are on disk, new or known; else what the function says.
pub async fn ingress(call: Box<Call>) -> Answer {
    let (namespace, name) = (call.namespace()?, call.parameter("name").to_owned());
    let Call { site, parts, body, .. } = *call;
    let body = upload::whole(body, &parts.headers, limits::INGRESS_BYTES_MAX, &site.bodies).await?;
    let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let request = Received {
        method: parts.method.as_str().to_owned(),
        url: parts.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    drop(body);
    match namespace.ingress(&name, request).await? {
        Taken::Appended(append) => {
            let mut response = response(&append);
            *response.status_mut() = StatusCode::OK;
            Ok(response)
        }
        Taken::Answered(answer) => said(&name, answer),
    }
}

/// The function's own answer. It speaks to whoever sent the request, and not for this host: a browser is told
/// to take it for what it says it is, and to run nothing of it.
fn said(function: &str, answer: IngressAnswer) -> Answer {
    let wrong = |what: String| {
        let detail = format!("ingress function {function} answered {what}; nothing was recorded, mend the module and deploy it again");
        Problem::new(&kinds::FUNCTION_FAILED, detail).with("function", function).with("reason", "output")
    };
    let status = StatusCode::from_u16(answer.status).map_err(|_| wrong(format!("with the status {}", answer.status)))?;
    let mut response = Response::new(Body::full(answer.body));
    *response.status_mut() = status;
    for (name, value) in answer.headers {
        let bad = || wrong(format!("with {name:?}, which is no header that it can set"));
        let name_of = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        if OWN.contains(&name_of) {
            return Err(bad());
        }
        response.headers_mut().append(name_of, HeaderValue::from_str(&value).map_err(|_| bad())?);
    }
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("content-security-policy", HeaderValue::from_static("sandbox"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        said("github", IngressAnswer { status, headers, body: b"no".into() })
    }

    #[test]
    fn a_function_answers_in_its_own_words_but_sets_no_header_of_the_hosts() {
        let said = answer(401, &[("Content-Type", "text/html"), ("x-a", "1")]).expect("an answer");
        assert_eq!(
            (said.status().as_u16(), &said.headers()["content-type"], &said.headers()["x-a"]),
            (401, &"text/html".parse().expect("a value"), &"1".parse().expect("a value"))
        );
        assert_eq!(said.headers()["content-security-policy"], "sandbox");
        assert_eq!(answer(200, &[]).expect("an answer").headers()["content-type"], "application/octet-stream");
        for (name, value) in [("x-a", "1\r\nx-b: 2"), ("a b", "1"), ("Content-Length", "7"), ("transfer-encoding", "chunked")] {
            assert_eq!(answer(200, &[(name, value)]).err().expect("refused").kind, &kinds::FUNCTION_FAILED, "{name}");
        }
    }
}
