//! Credentials of AWS that live for seconds, as those of roles live for hours.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Credentials;
use llm_keys::error::KmsFault;
use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::{GuardOptions, KmsProvider};
use llm_keys::{Clock as _, ErrorKind, Served, SystemClock};

use super::super::bed::{Bed, read};
use super::super::server::{self, Server};
use super::go_on_until;
use crate::fault_proxy::{Fault, Message};
use crate::kms_aws::iam::{AccessKey, access_key, administrator, ask, named_user};
use crate::kms_aws::server::{config, create_key, variable};

/// A source that gives other credentials each time, which end soon. Those before the last are
/// dead: MiniStack does not know them any more.
#[derive(Clone, Debug)]
struct Short(Arc<(String, Mutex<Vec<AccessKey>>)>);

impl Short {
    fn issued(&self) -> usize {
        self.0.1.lock().unwrap().len()
    }

    fn issue(&self) -> Credentials {
        let (user, issued) = &*self.0;
        let AccessKey(id, secret) = access_key(user);
        let mut issued = issued.lock().unwrap();
        issued.push(AccessKey(id.clone(), secret.clone()));
        if let [.., old, _, _] = &issued[..] {
            delete_access_key(user, old);
        }
        Credentials::new(id, secret, None, Some(in_the_future(LIFE)), "short")
    }
}

impl ProvideCredentials for Short {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let this = self.clone();
        Provided::new(async move {
            Ok(tokio::task::spawn_blocking(move || this.issue()).await.unwrap())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_end_are_replaced_in_time() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*"}]}"#;
    let user = tokio::task::spawn_blocking(|| named_user(policy)).await.unwrap();
    let source = Short(Arc::new((user, Mutex::default())));
    let AccessKey(id, secret) = administrator();
    let admin = config(&variable("LLM_KEYS_TEST_MINISTACK"), &id, &secret);
    let arn = create_key(&Client::new(&admin)).await;

    let (server, _) = server::aws::without_right_to_unwrap().await;
    let config = with(&server, source.clone());
    let kms: Arc<dyn KmsProvider> = Arc::new(AwsKms::open_with(&arn, &config).await.unwrap());
    let bed = Bed::new(Server { kms, ..server }).await;
    let before = source.issued();
    go_on_until(&bed, || source.issued() >= before + 3).await;
}

/// A source that gives the same credentials, and counts how often it is asked.
#[derive(Clone, Default, Debug)]
struct Same(Arc<AtomicUsize>);

impl ProvideCredentials for Same {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::SeqCst);
        let end = in_the_future(Duration::from_secs(3600));
        Provided::ready(Ok(Credentials::new("test", "test", None, Some(end), "same")))
    }
}

/// Credentials that were changed before their time: their source is asked again, once.
#[tokio::test]
async fn credentials_that_aws_calls_expired_are_fetched_again() {
    let server = server::aws::start().await;
    let source = Same::default();
    let arn = server.kms.uri().as_str().trim_start_matches("aws-kms:").to_owned();
    let config = with(&server, source.clone());
    let kms: Arc<dyn KmsProvider> = Arc::new(AwsKms::open_with(&arn, &config).await.unwrap());
    let bed = Bed::new(Server { kms, ..server }).await;
    let asked = || source.0.load(Ordering::SeqCst);
    let expired = Fault::Answer(
        Message::answer(400)
            .with_header("content-type", "application/x-amz-json-1.1")
            .with_body(br#"{"__type":"ExpiredTokenException","message":"expired"}"#.to_vec()),
    );
    for times in 1..=2 {
        let keys = bed.start(GuardOptions::default()).await;
        bed.proxy().forget();
        let before = asked();
        bed.proxy().next(times, expired.clone());
        let read = read(&keys, "openai").await;
        assert_eq!(bed.proxy().requests(), 2);
        assert_eq!(asked() - before, 1, "the source is asked again");
        match times {
            1 => assert_eq!(read.unwrap(), Some(Served::Store)),
            _ => {
                let error = read.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied));
                assert!(error.hint().unwrap().contains("aws sso login"), "{error:?}");
            }
        }
    }
}

fn with(server: &Server, source: impl ProvideCredentials + 'static) -> SdkConfig {
    // The usual cache renews up to ten seconds ahead.
    let cache = IdentityCache::lazy().buffer_time(LIFE.mul_f32(0.75)).build();
    let config = config(&server.proxy.url(), "", "").into_builder().identity_cache(cache);
    config.credentials_provider(SharedCredentialsProvider::new(source)).build()
}

fn in_the_future(by: Duration) -> SystemTime {
    let now = u64::try_from(SystemClock::new().now().0).unwrap();
    UNIX_EPOCH + Duration::from_micros(now) + by
}

const LIFE: Duration = Duration::from_millis(1200);

/// From now on nobody gets anything by that access key.
fn delete_access_key(user: &str, AccessKey(id, _): &AccessKey) {
    ask(&[("Action", "DeleteAccessKey"), ("UserName", user), ("AccessKeyId", id)]);
}
