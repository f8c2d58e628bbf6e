//! One HTTP call: our buffers are wiped, an answer has a size limit, nothing is tried twice.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Method, Response, redirect};
use zeroize::{Zeroize as _, Zeroizing};

use super::address::Address;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::secret::SecretBytes;

/// The connection to one server.
pub(super) struct Wire {
    http: Client,
    base: String,
    namespace: Option<HeaderValue>,
}

/// What to ask.
pub(super) struct Call<'a> {
    /// The operation, for errors.
    pub(super) op: &'static str,
    /// Below `/v1/`.
    pub(super) path: &'a str,
    /// What is posted; without it, this is a `GET`.
    pub(super) body: Option<RequestBody>,
    pub(super) token: Option<&'a SecretBytes>,
}

/// What the server said; the bytes are wiped when dropped.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// JSON to post, wiped when the last copy of this handle is dropped.
#[derive(Clone)]
pub(super) struct RequestBody(Bytes);

impl RequestBody {
    pub(super) fn new(json: Zeroizing<Vec<u8>>) -> Self {
        Self(Bytes::from_owner(json))
    }
}

impl Wire {
    /// Reads the certificates and prepares the client: this blocks for some milliseconds.
    ///
    /// # Errors
    /// `Kms(Misconfigured)` if the certificates are missing or unusable.
    pub(super) fn new(address: &Address, ca: Option<&Path>) -> Result<Self> {
        let mut client = Client::builder()
            .user_agent(concat!("llm-keys/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .referer(false)
            .https_only(address.tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        if let Some(path) = ca.filter(|_| address.tls) {
            client = client.tls_certs_only(certificates(path)?);
        }
        let http = client
            .build()
            .map_err(|error| misconfigured("no TLS client can be made").with_source(error))?;
        let namespace = address.namespace.as_deref().map(HeaderValue::from_str).transpose();
        let namespace = namespace.map_err(|_| misconfigured("the namespace is no header value"))?;
        Ok(Self { http, base: address.base(), namespace })
    }

    /// Sends `call` once.
    ///
    /// # Errors
    /// `Kms(Unavailable)` without a whole answer, `Kms(BadAnswer)` if it is too long,
    /// `Kms(Misconfigured)` if the server's certificate is not trusted. Any status is an answer.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Answer> {
        let method = if call.body.is_some() { Method::POST } else { Method::GET };
        let mut request = self
            .http
            .request(method, format!("{}{}", self.base, call.path))
            .header("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if let Some(token) = call.token {
            request = request.header("x-vault-token", header(token)?);
        }
        if let Some(RequestBody(body)) = call.body {
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body);
        }
        let response = request.send().await.map_err(|error| failed(call.op, error))?;
        let status = response.status().as_u16();
        Ok(Answer { status, body: read(call.op, response).await? })
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Reads the whole body into one buffer that never grows, so that no copy of it stays behind, and
/// wipes the pieces it came in where we are their last owner.
async fn read(op: &'static str, mut response: Response) -> Result<Zeroizing<Vec<u8>>> {
    let too_long = || {
        let max = MAX_ANSWER;
        Error::new(
            ErrorKind::Kms(KmsFault::BadAnswer),
            op,
            format!("the answer is longer than {max} bytes"),
        )
    };
    let len = match response.content_length() {
        None => MAX_ANSWER,
        Some(len) => {
            usize::try_from(len).ok().filter(|len| *len <= MAX_ANSWER).ok_or_else(too_long)?
        }
    };
    let mut body = Zeroizing::new(Vec::with_capacity(len));
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(op, error))? {
        let fits = body.len() + chunk.len() <= len;
        if fits {
            body.extend_from_slice(&chunk);
        }
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.as_mut().zeroize();
        }
        if !fits {
            return Err(too_long());
        }
    }
    Ok(body)
}

fn header(token: &SecretBytes) -> Result<HeaderValue> {
    let mut header = token
        .expose(HeaderValue::from_bytes)
        .map_err(|_| misconfigured("the Vault token holds characters that no token has"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| {
        misconfigured(format!("the certificate file {shown} cannot be read")).with_source(error)
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(misconfigured(format!("{shown} holds no PEM certificate"))),
    }
}

fn failed(op: &'static str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(source) = cause {
        // The TLS library is not a dependency of ours, so its words are all there is.
        if source.to_string().contains("invalid peer certificate") {
            return Error::new(
                ErrorKind::Kms(KmsFault::Misconfigured),
                op,
                "the certificate of the Vault server is not trusted",
            )
            .with_hint("name the certificate authority that signed it: ca=/path/to/ca.pem")
            .with_source(error);
        }
        cause = source.source();
    }
    let what = match () {
        () if error.is_timeout() => "the Vault server did not answer in time",
        () if error.is_connect() => "the Vault server cannot be reached",
        () => "the connection to the Vault server broke",
    };
    Error::new(ErrorKind::Kms(KmsFault::Unavailable), op, what).with_source(error)
}

fn misconfigured(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Kms(KmsFault::Misconfigured), "kms.vault", what)
}

/// An answer has some hundred bytes; a token of many policies has some thousand.
const MAX_ANSWER: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The last line. Whoever calls has a shorter deadline for all attempts together.
const TIMEOUT: Duration = Duration::from_secs(10);
