//! HTTP for the Azure SDK: TLS, one attempt, bounded answers that are wiped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Bytes;
use azure_core::error::ErrorKind as AzureKind;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient, LoggingOptions, Request, RetryOptions, Transport,
};
use futures_util::StreamExt as _;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, KmsFault, Result};

/// How to reach the service.
#[derive(Clone, Default, Debug)]
pub(super) struct Reach {
    /// Certificates in PEM that are trusted instead of the system's.
    pub trust_only: Option<Vec<u8>>,
    /// Where the host is, instead of what the name system says.
    pub address: Option<SocketAddr>,
}

impl Reach {
    /// What a client of the SDK needs to send to `host`.
    pub(super) fn client_options(&self, host: &str) -> Result<ClientOptions> {
        let mut builder = reqwest::Client::builder()
            .https_only(true)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if let Some(address) = self.address {
            builder = builder.resolve(host, address);
        }
        if let Some(pem) = &self.trust_only {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(unusable)?;
            builder = builder.tls_certs_only(certificates);
        }
        options(builder.build().map_err(unusable)?)
    }
}

/// What a credential of the SDK needs to ask for tokens. Identity endpoints on the machine itself
/// speak plain HTTP.
pub(super) fn token_options() -> Result<ClientOptions> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never());
    options(builder.build().map_err(unusable)?)
}

fn options(client: reqwest::Client) -> Result<ClientOptions> {
    Ok(ClientOptions {
        // Deadline and retries are those of the wrapper around every remote KMS.
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(Bounded(client)))),
        logging: LoggingOptions::default(),
        ..ClientOptions::default()
    })
}

fn unusable(error: reqwest::Error) -> Error {
    let detail = "the settings for connections to Azure are unusable";
    Error::new(ErrorKind::Kms(KmsFault::Misconfigured), "kms.open", detail).with_source(error)
}

/// The client of the SDK reads an answer of any size into memory; this one stops, and wipes what
/// it read.
#[derive(Debug)]
struct Bounded(reqwest::Client);

#[async_trait::async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = HttpClient::execute_request(&self.0, request).await?;
        let (status, headers, mut body) = answer.deconstruct();
        // Allocated once, so that no copy stays behind where it grew.
        let mut read = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            if read.len() + chunk.len() > MAX_ANSWER {
                let detail = "the answer is too long";
                return Err(azure_core::Error::with_message(AzureKind::DataConversion, detail));
            }
            read.extend_from_slice(&chunk);
        }
        Ok(AsyncRawResponse::from_bytes(status, headers, Bytes::from_owner(read)))
    }
}

const CONNECT: Duration = Duration::from_secs(3);
/// A key with its attributes and tags, and a token of Entra ID, are a few kibibytes.
const MAX_ANSWER: usize = 64 * 1024;
