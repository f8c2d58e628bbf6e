//! AWS KMS: data keys under a key that never leaves the service.
//!
//! Region, credentials and endpoint come from where every AWS program takes them: environment,
//! profiles, SSO, web identity, container and instance roles, `AWS_ENDPOINT_URL`. The encryption
//! context goes to AWS as separate pairs, so that an IAM policy can name them; `docs/guides/kms-aws.md`
//! has such a policy, and what CloudTrail shows.
//!
//! Each call is one request: retries, deadline and breaker are those of whoever calls. Data keys
//! are wiped on our side of the SDK; the request and response bodies that it makes are its own, and
//! it does not wipe them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::StalledStreamProtectionConfig;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;

use self::calls::Key;
use self::name::{KeyArn, KeyName, SCHEME};
use super::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey, check};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::random::Random;
use crate::secret::DataKey;

mod calls;
mod fault;
mod name;

/// A key in AWS KMS to write under, and maybe earlier ones to read with.
///
/// ```no_run
/// # async fn demo() -> llm_keys::Result<()> {
/// use llm_keys::kms::{KmsSet, aws::AwsKms};
///
/// let kms = KmsSet::single(AwsKms::open("alias/llm-keys").await?);
/// # Ok(())
/// # }
/// ```
///
/// An alias or a bare key id is looked up once, when it is opened (`kms:DescribeKey`); envelopes
/// name the key itself, as `aws-kms:` and its ARN. When an alias is pointed elsewhere, a program
/// that runs goes on with the key it has until it is started again. What was written under the
/// earlier one is read by a manager, which keeps a record of what its aliases have meant; used by
/// itself, this needs [`with_allowed`](Self::with_allowed).
#[derive(Clone)]
pub struct AwsKms {
    config: SdkConfig,
    current: Key,
    allowed: Vec<Key>,
    alias: Option<String>,
}

impl AwsKms {
    /// The key that `name` names: a key ARN, an alias ARN, a key id or `alias/NAME`, with or
    /// without `aws-kms:` before it. A region in an ARN wins over the one in the settings.
    ///
    /// A key ARN is taken as it is and causes no call; anything else is looked up.
    ///
    /// # Errors
    /// `InvalidInput` if it names no AWS key, without repeating it; `Kms(Misconfigured)` if no
    /// region is known; else what the lookup says: `Denied`, `KeyMissing`, `Unavailable`…
    pub async fn open(name: &str) -> Result<Self> {
        let name = KeyName::parse(name)?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = name.region() {
            loader = loader.region(Region::new(region.to_owned()));
        }
        Self::resolve(name, loader.load().await).await
    }

    /// The same with settings of your own: other credentials, another endpoint. The SDK's retries
    /// are switched off, and connecting may take 2 seconds, whatever `config` says.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(name: &str, config: &SdkConfig) -> Result<Self> {
        Self::resolve(KeyName::parse(name)?, config.clone()).await
    }

    async fn resolve(name: KeyName, config: SdkConfig) -> Result<Self> {
        let region = name.region().or(config.region().map(AsRef::as_ref)).ok_or_else(no_region)?;
        let client = client(&config, region);
        let (arn, alias) = match name {
            KeyName::Arn(arn) => (arn, None),
            KeyName::Lookup { id, .. } => {
                let arn = calls::look_up(&client, &id).await?;
                let alias = id.split_once("alias/");
                let alias = alias.map(|(_, name)| arn.alias(&format!("alias/{name}")));
                (arn, alias)
            }
        };
        Ok(Self { current: Key::new(arn, client)?, config, allowed: Vec::new(), alias })
    }

    /// Reads with `keys`, too: those that an alias meant before. Only these and
    /// [`uri`](KmsProvider::uri) are ever asked to unwrap anything; an envelope cannot name a key
    /// of somebody else. Keys in other regions are asked there. Keys of other kinds of KMS are
    /// passed over, so that one list serves all.
    ///
    /// # Errors
    /// `InvalidInput` if a URI of this kind holds no key ARN.
    pub fn with_allowed(mut self, keys: impl IntoIterator<Item = KeyUri>) -> Result<Self> {
        for uri in keys.into_iter().filter(|uri| uri.scheme() == SCHEME) {
            let arn = KeyArn::of_uri(&uri).ok_or_else(|| {
                Error::invalid("kms.uri", "an allowed AWS key is `aws-kms:` and its key ARN")
            })?;
            if self.key(&uri).is_none() {
                let client = self.client_of(arn.region());
                self.allowed.push(Key::new(arn, client)?);
            }
        }
        Ok(self)
    }

    /// The client of a region: one that is there, or another with the same credentials.
    fn client_of(&self, region: &str) -> Client {
        match self.keys().find(|key| key.arn.region() == region) {
            Some(key) => key.client.clone(),
            None => client(&self.config, region),
        }
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.allowed)
    }

    fn key(&self, uri: &KeyUri) -> Option<&Key> {
        self.keys().find(|key| key.uri == *uri)
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKms")
            .field("current", &self.current.uri)
            .field("allowed", &self.allowed.iter().map(|key| &key.uri).collect::<Vec<_>>())
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl KmsProvider for AwsKms {
    fn uri(&self) -> &KeyUri {
        &self.current.uri
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        self.key(&wrapped.uri).is_some()
    }

    fn capabilities(&self) -> KmsCapabilities {
        KmsCapabilities::FULL
    }

    /// One `GenerateDataKey`: the random bytes are those of AWS.
    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        _random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        let (key, blob) = self.current.generate(context).await?;
        Ok((key, WrappedKey { uri: self.current.uri.clone(), blob }))
    }

    /// One `Encrypt`: for a data key that another KMS made.
    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        let blob = self.current.encrypt(key, context).await?;
        Ok(WrappedKey { uri: self.current.uri.clone(), blob })
    }

    /// One `Decrypt` under the key that `wrapped` names.
    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        let key = self.key(&wrapped.uri).ok_or_else(|| self.not_ours(&wrapped.uri))?;
        key.decrypt(&wrapped.blob, context).await
    }

    /// `DescribeKey`, `GenerateDataKey` and `Decrypt`; the time is that of the last two.
    async fn check(&self) -> Result<KmsHealth> {
        self.current.describe().await?;
        check::round_trip(self).await
    }

    /// `DescribeKey`, if that is permitted, and `Decrypt`; the time is that of the last one.
    async fn check_reading(&self) -> Result<KmsHealth> {
        match self.current.describe().await {
            Err(error) if error.kind() == ErrorKind::Kms(KmsFault::Denied) => {}
            described => described?,
        }
        check::reading(self, NONSENSE).await
    }

    /// The ARN of the alias.
    fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// In the region of that key.
    fn for_key(&self, key: &KeyUri) -> Result<Option<Arc<dyn KmsProvider>>> {
        let Some(arn) = KeyArn::of_uri(key) else { return Ok(None) };
        let client = self.client_of(arn.region());
        let (config, current) = (self.config.clone(), Key::new(arn, client)?);
        Ok(Some(Arc::new(Self { config, current, allowed: Vec::new(), alias: None })))
    }

    /// Whether `key` names a key in the partition, region and account of this one.
    fn is_sibling(&self, key: &KeyUri) -> bool {
        KeyArn::of_uri(key).is_some_and(|arn| arn.is_sibling(&self.current.arn))
    }
}

impl AwsKms {
    fn not_ours(&self, theirs: &KeyUri) -> Error {
        let ours = &self.current.uri;
        Error::new(
            ErrorKind::Kms(KmsFault::WrongKey),
            "kms.unwrap_key",
            format!("it is wrapped under {theirs}, not {ours}"),
        )
        .with_hint(format!("if that key was yours, allow it: llm-keys kms allow {theirs}"))
    }
}

/// A client that makes one attempt per call in `region`.
fn client(config: &SdkConfig, region: &str) -> Client {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
    let config = aws_sdk_kms::config::Builder::from(config)
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn no_region() -> Error {
    Error::new(ErrorKind::Kms(KmsFault::Misconfigured), "kms.open", "no AWS region is known")
        .with_hint("set AWS_REGION, or name the key by its ARN")
}

/// No blob of AWS.
const NONSENSE: &[u8] = &[0; 128];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Only for those who call without a deadline of their own.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
