//! The four requests, and what an answer must hold to be believed.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};

use aws_sdk_kms::Client;
use aws_sdk_kms::config::IdentityCache;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeySpec, KeyState, KeyUsageType};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::fault::{Request, fault, says_expired};
use super::name::KeyArn;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::{KeyUri, KmsContext, WrappedKey};
use crate::secret::DataKey;

/// One key, and the client of its region.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) arn: KeyArn,
    pub(super) uri: KeyUri,
    pub(super) client: Client,
    /// The same without a memory for credentials; made when it is needed first.
    renewing: Arc<OnceLock<Client>>,
}

impl Key {
    pub(super) fn new(arn: KeyArn, client: Client) -> Result<Self> {
        Ok(Self { uri: arn.uri()?, arn, client, renewing: Arc::default() })
    }

    /// Sends one request. If AWS says that the credentials have expired, it is sent once more with
    /// those that their source gives now: they may have been changed before their time.
    async fn ask<T, E, F>(&self, request: Request, send: impl Fn(Client) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let mut answer = send(self.client.clone()).await;
        if answer.as_ref().is_err_and(says_expired) {
            answer = send(self.renewing().clone()).await;
        }
        answer.map_err(|error| fault(&error, request, self.arn.as_str()))
    }

    fn renewing(&self) -> &Client {
        self.renewing.get_or_init(|| {
            let config = self.client.config().to_builder();
            Client::from_conf(config.identity_cache(IdentityCache::no_cache()).build())
        })
    }

    pub(super) async fn generate(&self, context: KmsContext<'_>) -> Result<(DataKey, Vec<u8>)> {
        let request = Request::GenerateDataKey;
        let send = |client: Client| {
            let ask = client.generate_data_key().key_id(self.arn.as_str());
            ask.key_spec(DataKeySpec::Aes256).set_encryption_context(Some(pairs(context))).send()
        };
        let answer = self.ask(request, send).await?;
        // First into a type that wipes, whatever else is wrong with the answer.
        let key = data_key(answer.plaintext)?;
        self.same_key(answer.key_id.as_deref(), request)?;
        Ok((key, wrapped(answer.ciphertext_blob, request)?))
    }

    pub(super) async fn encrypt(&self, key: &DataKey, context: KmsContext<'_>) -> Result<Vec<u8>> {
        let request = Request::Encrypt;
        // Wiped when the SDK lets go of it.
        let plaintext = Bytes::from_owner(key.expose(|key| Zeroizing::new(*key)));
        let send = |client: Client| {
            let ask = client.encrypt().key_id(self.arn.as_str());
            let ask = ask.plaintext(Blob::from_maybe_shared(plaintext.clone()));
            ask.set_encryption_context(Some(pairs(context))).send()
        };
        let answer = self.ask(request, send).await?;
        self.same_key(answer.key_id.as_deref(), request)?;
        wrapped(answer.ciphertext_blob, request)
    }

    pub(super) async fn decrypt(&self, blob: &[u8], context: KmsContext<'_>) -> Result<DataKey> {
        let request = Request::Decrypt;
        if blob.is_empty() || blob.len() > WrappedKey::MAX_BLOB {
            return Err(Error::new(
                ErrorKind::Kms(KmsFault::ContextMismatch),
                request.op(),
                "the wrapped data key is damaged: it has no length that AWS KMS gives",
            ));
        }
        let send = |client: Client| {
            let ask = client.decrypt().key_id(self.arn.as_str()).ciphertext_blob(Blob::new(blob));
            ask.set_encryption_context(Some(pairs(context))).send()
        };
        let answer = self.ask(request, send).await?;
        let key = data_key(answer.plaintext)?;
        self.same_key(answer.key_id.as_deref(), request)?;
        Ok(key)
    }

    /// Whether the key is there, enabled and of a kind that can wrap.
    pub(super) async fn describe(&self) -> Result<()> {
        let request = Request::DescribeKey;
        let send = |client: Client| client.describe_key().key_id(self.arn.as_str()).send();
        let answer = self.ask(request, send).await?;
        let key = answer.key_metadata.ok_or_else(|| bad(request, "says nothing about the key"))?;
        self.same_key(key.arn.as_deref(), request)?;
        let arn = &self.arn;
        let refused = |fault, what: &str| {
            Error::new(ErrorKind::Kms(fault), request.op(), format!("the AWS KMS key {arn} {what}"))
        };
        match key.key_state {
            // A state that is not said is for the round trip to find out.
            None | Some(KeyState::Enabled | KeyState::Updating) => {}
            Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => {
                return Err(refused(KmsFault::KeyDisabled, "is waiting to be deleted").with_hint(
                    format!("aws kms cancel-key-deletion --key-id {arn}, then enable-key"),
                ));
            }
            Some(KeyState::Disabled) => {
                return Err(refused(KmsFault::KeyDisabled, "is disabled")
                    .with_hint(format!("aws kms enable-key --key-id {arn}")));
            }
            Some(_) => return Err(refused(KmsFault::KeyDisabled, "is not usable yet, or no more")),
        }
        let wraps = key.key_usage.is_none_or(|usage| usage == KeyUsageType::EncryptDecrypt)
            && key.key_spec.is_none_or(|spec| spec == KeySpec::SymmetricDefault);
        if !wraps {
            return Err(refused(KmsFault::Unsupported, "is no symmetric encryption key")
                .with_hint("make one with the defaults of `aws kms create-key`"));
        }
        Ok(())
    }

    /// The key id in an answer must be the one that was asked for.
    fn same_key(&self, answered: Option<&str>, request: Request) -> Result<()> {
        match answered {
            Some(answered) if answered == self.arn.as_str() => Ok(()),
            Some(_) => Err(bad(request, "comes from another key than the one asked for")),
            None => Err(bad(request, "does not say which key it comes from")),
        }
    }
}

/// The ARN of the key that an alias or a key id means.
pub(super) async fn look_up(client: &Client, id: &str) -> Result<KeyArn> {
    let request = Request::DescribeKey;
    let answer = client.describe_key().key_id(id).send().await;
    let answer = answer.map_err(|error| fault(&error, request, id))?;
    let arn = answer.key_metadata.and_then(|key| key.arn).as_deref().and_then(KeyArn::parse);
    let arn = arn.ok_or_else(|| bad(request, "holds no key ARN"))?;
    let asked_by_id = !id.contains("alias/");
    if asked_by_id && !arn.as_str().ends_with(&format!(":key/{id}")) {
        return Err(bad(request, "is about another key than the one asked for"));
    }
    Ok(arn)
}

fn pairs(context: KmsContext<'_>) -> HashMap<String, String> {
    context.pairs().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `into_inner` gives the SDK's own buffer, not a copy, and `from_answer` wipes it.
fn data_key(plaintext: Option<Blob>) -> Result<DataKey> {
    DataKey::from_answer(plaintext.map(Blob::into_inner).unwrap_or_default())
}

fn wrapped(blob: Option<Blob>, request: Request) -> Result<Vec<u8>> {
    let blob = blob.map(Blob::into_inner).unwrap_or_default();
    if blob.is_empty() || blob.len() > WrappedKey::MAX_BLOB {
        let len = blob.len();
        return Err(bad(request, &format!("holds a wrapped key of {len} bytes")));
    }
    Ok(blob)
}

fn bad(request: Request, what: &str) -> Error {
    let name = request.name();
    Error::new(
        ErrorKind::Kms(KmsFault::BadAnswer),
        request.op(),
        format!("the answer to {name} {what}"),
    )
}
