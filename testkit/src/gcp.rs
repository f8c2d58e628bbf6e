//! A fake of Google Cloud KMS: the part of its REST API v1 that symmetric keys need.
//!
//! Encryption is real (AES-256-GCM with associated data, a checksum on every field), keys have
//! versions with states, and errors have Google's shape. Any token or none will do, without a look at
//! its signature, unless it is one of a service account that was denied. `Trouble` makes an answer wrong in a way a client must notice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::api::Api;
use self::refusal::Refusal;

pub use self::keys::State;
pub use self::trouble::Trouble;

mod api;
mod crypt;
mod keys;
mod refusal;
mod trouble;

/// A running fake on loopback. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeGcpKms {
    address: SocketAddr,
    api: Arc<Api>,
    _serving: JoinSet<()>,
}

impl FakeGcpKms {
    /// Listens on `port` of 127.0.0.1, any free one for 0, without any key.
    ///
    /// # Errors
    /// What binding the port says.
    pub async fn start(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let api = Arc::new(Api::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&api)));
        Ok(Self { address, api, _serving: serving })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a key with one enabled version, and its key ring; `name` is the full resource name.
    pub fn add_key(&self, name: &str) {
        self.api.keys().add(name);
    }

    /// Adds a version to the key and makes it the primary one; gives its number.
    pub fn rotate(&self, name: &str) -> u32 {
        self.api.keys().rotate(name)
    }

    /// Sets the state of a version of the key, by its number.
    pub fn set_state(&self, name: &str, version: u32, state: State) {
        self.api.keys().set_state(name, version, state);
    }

    /// Whether there is a key of that name.
    pub fn has_key(&self, name: &str) -> bool {
        self.api.keys().primary(name).is_ok()
    }

    /// From now on the service account of that address is denied everything.
    pub fn deny(&self, email: &str) {
        self.api.denied().insert(email.to_owned());
    }

    /// Plays these, one for each of the next requests; then all is well again.
    pub fn trouble(&self, next: impl IntoIterator<Item = Trouble>) {
        self.api.script().extend(next);
    }

    /// How many requests came so far.
    pub fn requests(&self) -> usize {
        self.api.requests()
    }

    /// The header `authorization` of the last request, if it had one.
    pub fn last_authorization(&self) -> Option<String> {
        self.api.last_authorization()
    }
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let api = Arc::clone(&api);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let api = Arc::clone(&api);
                async move { answer(&api, request).await }
            });
            let http = hyper::server::conn::http1::Builder::new();
            // A client that hangs up is its own affair.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    api: &Api,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let trouble = api.arrived(&request);
    match trouble {
        Some(Trouble::Hang) => tokio::time::sleep(Duration::from_secs(3600)).await,
        Some(Trouble::Redirect) => {
            return Response::builder()
                .status(StatusCode::TEMPORARY_REDIRECT)
                .header(LOCATION, request.uri().path())
                .body(Full::default());
        }
        Some(Trouble::NotJson) => return reply(StatusCode::OK, Bytes::from("<html>")),
        Some(Trouble::Huge) => {
            let long = json!({ "name": "x".repeat(1 << 20) });
            return reply(StatusCode::OK, long.to_string().into());
        }
        Some(Trouble::Status(code, status)) => {
            let refusal = Refusal::new(code, status, "trouble was asked for");
            return refused(&refusal);
        }
        _ => {}
    }
    if let Err(refusal) = api.permit(&request) {
        return refused(&refusal);
    }
    match call(api, request).await {
        Ok(mut value) => {
            if let Some(trouble) = trouble {
                trouble.spoil(&mut value);
            }
            reply(StatusCode::OK, value.to_string().into())
        }
        Err(refusal) => refused(&refusal),
    }
}

async fn call(api: &Api, request: Request<Incoming>) -> Result<Value, Refusal> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, 1 << 20).collect().await;
    let body = body.map_err(|_| Refusal::invalid("the body broke off or is too long"))?.to_bytes();
    let body = if body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(&body)
            .map_err(|_| Refusal::invalid("Invalid JSON payload received."))?
    };
    api.call(&head.method, &head.uri, &body)
}

fn refused(refusal: &Refusal) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    reply(refusal.code(), refusal.json().to_string().into())
}

fn reply(code: StatusCode, body: Bytes) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    Response::builder()
        .status(code)
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(Full::new(body))
}
