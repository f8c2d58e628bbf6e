//! KM8: credentials that end while keys are written and read.

use std::time::Duration;

use llm_keys::kms::GuardOptions;
use llm_keys::{KeyFilter, PageSize, SecureKeyManager as _, Served, Version};

use super::bed::{Bed, put, read, until};

mod aws;
mod vault;

/// Writes and reads until `done`. Nothing may fail, and afterwards each key is there once and was
/// wrapped once.
async fn go_on_until(bed: &Bed, done: impl Fn() -> bool) {
    bed.watch(bed.server.words.wrap);
    let keys = bed.start(GuardOptions::default()).await;
    let mut services = Vec::new();
    until(Duration::from_secs(20), async || {
        let service = format!("service-{}", services.len());
        put(&keys, &service).await.unwrap();
        assert_eq!(read(&keys, &service).await.unwrap(), Some(Served::Store));
        services.push(service);
        done()
    })
    .await;
    assert_eq!(bed.proxy().requests(), services.len(), "each is wrapped once");
    let later = bed.start(GuardOptions::default()).await;
    for service in &services {
        assert_eq!(read(&later, service).await.unwrap(), Some(Served::Store), "{service}");
    }
    let (mut seen, mut after) = (0, None);
    loop {
        let page =
            later.list_api_keys(&KeyFilter::default(), after.as_ref(), PageSize::default()).await;
        let page = page.unwrap();
        assert!(page.items.iter().all(|key| key.version == Some(Version::FIRST)));
        seen += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, services.len() + 1, "and the one that was there before");
}
