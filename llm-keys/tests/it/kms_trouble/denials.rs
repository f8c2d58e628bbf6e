//! KM4: a KMS that refuses for good: no permission, a disabled key, a key that is deleted.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::KmsFault;
use llm_keys::event::{Action, Outcome};
use llm_keys::kms::{GuardOptions, KmsProvider};
use llm_keys::{Error, ErrorKind};
use tokio::time::Instant;

use super::bed::{Bed, read};
use super::server::{self, Server};

every_backend!(a_disabled_key_makes_no_storm, a_deleted_key_makes_no_storm);

#[test]
fn a_key_that_is_refused_is_asked_for_three_times_a_minute() {
    assert!(GuardOptions::default().denied_for >= Duration::from_secs(60) / 3);
}

#[tokio::test]
async fn aws_denies() {
    denied(server::aws::without_right_to_unwrap().await, "kms:Decrypt").await;
}

#[tokio::test]
async fn azure_denies() {
    denied(server::azure::without_right_to_unwrap().await, "keys/unwrap/action").await;
}

#[tokio::test]
async fn vault_denies() {
    denied(server::vault::without_right_to_unwrap().await, "decrypt/KEY").await;
}

/// The fake denies a caller everything or nothing, so this refusal is scripted.
#[tokio::test]
async fn gcp_denies() {
    let bed = Bed::new(server::gcp::start().await).await;
    bed.watch(bed.server.words.unwrap);
    bed.proxy().always(server::gcp::refusal(403, "PERMISSION_DENIED"));
    let error = no_storm(&bed).await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied));
    assert!(error.hint().unwrap().contains("useToDecrypt"), "{error:?}");
}

async fn denied((server, may_all): (Server, Arc<dyn KmsProvider>), permission: &str) {
    let bed = Bed::written_by(server, may_all).await;
    let error = no_storm(&bed).await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied), "{error:?}");
    assert!(error.hint().unwrap().contains(permission), "{error:?}");
}

async fn a_disabled_key_makes_no_storm(server: Server) {
    let bed = Bed::new(server).await;
    bed.server.admin.disable().await;
    let error = no_storm(&bed).await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyDisabled), "{error:?}");
}

async fn a_deleted_key_makes_no_storm(server: Server) {
    let bed = Bed::new(server).await;
    bed.server.admin.delete().await;
    let error = no_storm(&bed).await;
    let deleted = [KmsFault::KeyDisabled, KmsFault::KeyMissing].map(ErrorKind::Kms);
    assert!(deleted.contains(&error.kind()), "{error:?}");
}

/// Reads again and again, for longer than a denial is remembered here; gives the error.
async fn no_storm(bed: &Bed) -> Error {
    let mut options = GuardOptions::default();
    options.denied_for = Duration::from_millis(300);
    let keys = bed.start_cold(options).await;
    bed.watch(bed.server.words.unwrap);
    let (start, mut reads) = (Instant::now(), 0);
    let mut last = None;
    while start.elapsed() < options.denied_for * 3 {
        let error = read(&keys, "openai").await.unwrap_err();
        let events = bed.sink.take();
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!((event.action, event.outcome), (Action::KeyGet, Outcome::Failed(error.kind())));
        last = Some(error);
        reads += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Each time it is asked for the row MAC keys and for the key, at once.
    let spans = 2 * start.elapsed().as_millis() / options.denied_for.as_millis() + 2;
    let requests = bed.proxy().requests();
    assert!((1..=usize::try_from(spans).unwrap()).contains(&requests), "{requests} in {spans}");
    assert!(reads > requests, "{reads} reads cannot show it");
    last.unwrap()
}
