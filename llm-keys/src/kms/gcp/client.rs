//! One call of the REST API: credentials, timeouts, limits.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use google_cloud_auth::credentials::{self, CacheableResource, Credentials};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Url, redirect};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::fault::{Call, Failure, LOGIN, from_answer};
use super::name::KeyName;
use super::wire::MAX_BODY;
use crate::error::{Error, ErrorKind, KmsFault, Result};

/// A client for one endpoint.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    credentials: Option<Credentials>,
}

impl Client {
    /// Calls `base` with `credentials`, or else with those that this machine has. Over plain HTTP,
    /// which `base` is on this machine only, those are not sent.
    pub(super) fn new(base: Url, credentials: Option<Credentials>) -> Result<Self> {
        let credentials = match credentials {
            None if base.scheme() == "https" => Some(of_this_machine()?),
            given => given,
        };
        let http = reqwest::Client::builder()
            .user_agent(concat!("llm-keys/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            // A redirect or a proxy would be shown the data key.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(base.scheme() == "https")
            .retry(reqwest::retry::never())
            .build();
        let http = http.map_err(|error| {
            Error::new(ErrorKind::Internal, "kms.gcp", "the HTTP client cannot be set up")
                .with_source(error)
        })?;
        Ok(Self { http, base, credentials })
    }

    /// One attempt.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        call: Call,
        key: &KeyName,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<T, Failure> {
        let mut url = self.base.clone();
        url.set_path(&format!("/v1/{}:{}", key.as_str(), call.verb()));
        let mut headers = self.authorization(call).await?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // The owner is wiped when the last use of the bytes ends.
        let request = self.http.post(url).headers(headers).body(Bytes::from_owner(body));
        let mut answer = request.send().await.map_err(|error| no_answer(call, error))?;
        // Never grows, because growing leaves a copy behind.
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY));
        while let Some(chunk) = answer.chunk().await.map_err(|error| no_answer(call, error))? {
            if body.len() + chunk.len() > MAX_BODY {
                let long = call.error(KmsFault::BadAnswer, "the answer of Cloud KMS is too long");
                return Err(long.into());
            }
            body.extend_from_slice(&chunk);
        }
        if !answer.status().is_success() {
            return Err(from_answer(call, answer.status().as_u16(), &body));
        }
        // The parser's error may quote the answer.
        serde_json::from_slice(&body).map_err(|_| {
            call.error(KmsFault::BadAnswer, "the answer of Cloud KMS is not what it documents")
                .into()
        })
    }

    async fn authorization(&self, call: Call) -> Result<HeaderMap> {
        let Some(credentials) = &self.credentials else {
            return Ok(HeaderMap::new());
        };
        match credentials.headers(Default::default()).await {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            Ok(CacheableResource::NotModified) => {
                Err(Error::new(ErrorKind::Internal, "kms.gcp", "the credentials gave no headers"))
            }
            // The error itself may quote what the token service answered.
            Err(error) if error.is_transient() => {
                Err(call.error(KmsFault::Unavailable, "there is no access token of Google now"))
            }
            // Cloud KMS was not asked, so it has not denied anything.
            Err(_) => Err(call
                .error(KmsFault::Misconfigured, "Google gives no access token")
                .with_hint(LOGIN)),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Application Default Credentials: a file that a variable names, the user's login, workload
/// identity, the metadata server.
fn of_this_machine() -> Result<Credentials> {
    let found = credentials::Builder::default().with_scopes([SCOPE]).build();
    found.map_err(|error| {
        // The error itself may quote the file.
        let what = if error.is_loading() {
            "the credentials of Google cannot be read"
        } else {
            "the credentials of Google are of a kind or form that cannot be used"
        };
        Error::new(ErrorKind::Kms(KmsFault::Misconfigured), "kms.gcp", what).with_hint(LOGIN)
    })
}

fn no_answer(call: Call, error: reqwest::Error) -> Failure {
    let what = if error.is_timeout() {
        "Cloud KMS did not answer in time"
    } else if error.is_connect() {
        "Cloud KMS cannot be reached"
    } else {
        "the connection to Cloud KMS broke"
    };
    call.error(KmsFault::Unavailable, what).with_source(error.without_url()).into()
}

const CONNECT: Duration = Duration::from_secs(2);
/// A backstop: who calls sets the deadline.
const WHOLE: Duration = Duration::from_secs(10);
const SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";
