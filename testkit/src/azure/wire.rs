//! Requests and answers of the REST API, version 2025-07-01.

use std::io;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::keys::{KeyVersion, State};
use super::vault::{Inner, Trouble, Vault};

/// One answer; an error closes the connection.
pub(super) async fn answer(
    vault: &Vault,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    vault.lock().requests += 1;
    let (head, body) = request.into_parts();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(HOST).unwrap_or_default().to_owned();
    let Some(token) = header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")) else {
        return challenge();
    };
    let may: Vec<_> = token.split('-').map(str::to_owned).collect();
    let is_json = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    let version_asked = head.uri.query().unwrap_or_default();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(io::Error::other)?.to_bytes();

    let mut parts = head.uri.path().trim_start_matches('/').split('/');
    let (root, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (version, verb) = (parts.next().unwrap_or_default(), parts.next());
    let operation = match (&head.method, verb) {
        (&Method::GET, None) => "get",
        (&Method::POST, Some("wrapkey")) => "wrapkey",
        (&Method::POST, Some("unwrapkey")) => "unwrapkey",
        _ => return refuse(400, &["BadParameter"], "Property has invalid value"),
    };
    if root != "keys" || name.is_empty() || !version_asked.contains("api-version=2025-07-01") {
        return refuse(400, &["BadParameter"], "The api-version or the path is not supported");
    }
    if !may.iter().any(|may| may == operation) {
        return if may.iter().any(|may| may == "known") {
            refuse(403, &["Forbidden", "ForbiddenByRbac"], "Caller is not authorized")
        } else {
            challenge()
        };
    }

    let mut inner = vault.lock();
    inner.calls.push(operation);
    let trouble = inner.next_trouble();
    match trouble {
        Some(Trouble::Status(status, code)) => return refuse(status, &[code], "as told"),
        Some(Trouble::Body(body)) => return ok(body),
        Some(Trouble::Close) => return Err(io::Error::other("as told")),
        _ => {}
    }
    let Some(key) = find(&inner, name, version) else {
        let text =
            format!("A key with (name/id) {name}/{version} was not found in this key vault.");
        return refuse(404, &["KeyNotFound"], &text);
    };
    let kid = match trouble {
        Some(Trouble::OtherVersion) => format!("https://{host}/keys/{name}/{}", "0".repeat(32)),
        Some(Trouble::OtherVault) => {
            format!("https://other.vault.azure.net/keys/{name}/{}", key.id)
        }
        _ => format!("https://{host}/keys/{name}/{}", key.id),
    };
    if operation == "get" {
        return ok(described(key, &kid).to_string());
    }
    if !is_json {
        return refuse(415, &["UnsupportedMediaType"], "The request is no JSON");
    }
    match (key.state, operation) {
        (State::Disabled, _) => {
            let text = format!("Operation {operation} is not allowed on a disabled key.");
            return refuse(403, &["Forbidden", "KeyDisabled"], &text);
        }
        (State::Expired, "wrapkey") => {
            let text = format!("Operation {operation} is not allowed on an expired key.");
            return refuse(403, &["Forbidden", "KeyExpired"], &text);
        }
        _ => {}
    }
    let operated = parameters(&body).and_then(|value| match operation {
        "wrapkey" => key.wrap(&value),
        _ => key.unwrap(&value),
    });
    let Some(mut value) = operated else {
        return refuse(400, &["BadParameter"], "The parameter is incorrect.");
    };
    if let Some(Trouble::ValueOf(len)) = trouble {
        value.resize(len, 7);
    }
    ok(json!({ "kid": kid, "value": Base64UrlUnpadded::encode_string(&value) }).to_string())
}

fn find<'a>(inner: &'a Inner, name: &str, version: &str) -> Option<&'a KeyVersion> {
    let versions = inner.keys.get(name)?;
    match version {
        "" => versions.last(),
        version => versions.iter().find(|known| known.id == version),
    }
}

/// The value to wrap or unwrap.
fn parameters(body: &[u8]) -> Option<Vec<u8>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    if body.get("alg")?.as_str()? != "RSA-OAEP-256" {
        return None;
    }
    Base64UrlUnpadded::decode_vec(body.get("value")?.as_str()?).ok()
}

fn described(key: &KeyVersion, kid: &str) -> Value {
    let expires = (key.state == State::Expired).then_some(CREATED + 1);
    let mut attributes = json!({
        "enabled": key.state != State::Disabled,
        "created": CREATED,
        "updated": CREATED,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
        "exportable": false,
    });
    if let (Some(expires), Some(attributes)) = (expires, attributes.as_object_mut()) {
        attributes.insert("exp".to_owned(), expires.into());
    }
    json!({
        "key": {
            "kid": kid,
            "kty": "RSA",
            "key_ops": ["wrapKey", "unwrapKey"],
            "n": Base64UrlUnpadded::encode_string(&key.modulus),
            "e": Base64UrlUnpadded::encode_string(&key.exponent),
        },
        "attributes": attributes,
    })
}

fn ok(body: impl Into<Bytes>) -> io::Result<Response<Full<Bytes>>> {
    Response::builder()
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .body(Full::new(body.into()))
        .map_err(io::Error::other)
}

/// An error answer; the second code stands inside the first.
fn refuse(status: u16, codes: &[&str], message: &str) -> io::Result<Response<Full<Bytes>>> {
    let mut error = json!({ "code": codes.first(), "message": message });
    if let (Some(inner), Some(error)) = (codes.get(1), error.as_object_mut()) {
        error.insert("innererror".to_owned(), json!({ "code": inner }));
    }
    let mut answer = ok(json!({ "error": error }).to_string())?;
    *answer.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    Ok(answer)
}

fn challenge() -> io::Result<Response<Full<Bytes>>> {
    let mut answer =
        refuse(401, &["Unauthorized"], "AKV10000: Request is missing a Bearer token.")?;
    let wanted = "Bearer authorization=\"https://login.microsoftonline.com/tenant\", \
                  resource=\"https://vault.azure.net\"";
    let wanted = wanted.parse().map_err(io::Error::other)?;
    answer.headers_mut().insert(WWW_AUTHENTICATE, wanted);
    Ok(answer)
}

const MAX_BODY: usize = 64 * 1024;
/// A second in 2026.
const CREATED: u64 = 1_780_000_000;
