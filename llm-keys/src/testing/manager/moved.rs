//! Stored bytes that were moved or damaged behind the manager's back.

use std::sync::Arc;

use super::Parts;
use super::bed::{Bed, found, id, number};
use crate::envelope::Envelope;
use crate::error::{ErrorKind, IntegrityFault};
use crate::manager::{DeleteOptions, Evict, SecureKeyManager};
use crate::model::{KeyId, KeyRow, VersionRow};
use crate::store::{Change, Expect, KeyStore};

/// Rule 13.
pub async fn a_moved_envelope_is_refused<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let alice = KeyId::user("alice", "openai").unwrap();
    let others = [
        KeyId::user("bob", "openai"),
        KeyId::user("Alice", "openai"),
        KeyId::team("alice", "openai"),
        KeyId::global("openai"),
        KeyId::user("alice", "anthropic"),
        alice.clone().with_name("other"),
        alice.clone().with_tenant("other"),
    ];
    bed.put(&alice, "sk-alice").await;
    let stolen = bed.rows(&alice).await.unwrap().1.unwrap().envelope;
    for other in others.map(Result::unwrap) {
        bed.put(&other, "sk-other").await;
        assert_eq!(bed.get(&other).await.unwrap(), found("sk-other"));
        replace_envelope(&bed, &other, stolen.clone()).await;
        refused_without_a_call(&bed, &other).await;
    }

    // An old version put in the place of the current one.
    bed.put(&alice, "sk-alice-2").await;
    replace_envelope(&bed, &alice, stolen.clone()).await;
    refused_without_a_call(&bed, &alice).await;

    // An old record's envelope put into the new one.
    bed.manager.delete_api_key(&alice, &DeleteOptions::default().now()).await.unwrap();
    assert_eq!(bed.put(&alice, "sk-again").await, number(1));
    let good = bed.rows(&alice).await.unwrap().1.unwrap().envelope;
    replace_envelope(&bed, &alice, stolen).await;
    refused_without_a_call(&bed, &alice).await;
    replace_envelope(&bed, &alice, good.clone()).await;
    assert_eq!(bed.get(&alice).await.unwrap(), found("sk-again"), "the right one is as good");

    a_moved_row_is_refused(&bed).await;
    damage_is_refused(&bed, &alice, &good.unwrap()).await;
}

/// A whole key row that is given another id, as one `UPDATE` would.
async fn a_moved_row_is_refused<M: SecureKeyManager + 'static>(bed: &Bed<M>) {
    let (from, to) = (id("from"), id("to"));
    bed.put(&from, "sk-from").await;
    let (row, _) = bed.rows(&from).await.unwrap();
    let expect = Expect::Generation { record: row.record, generation: row.generation };
    let keys = vec![KeyRow { id: to.clone(), ..row }];
    let change = Change { expect: vec![expect], keys, ..Change::default() };
    bed.store.inner().commit(change).await.unwrap();
    refused_without_a_call(bed, &to).await;
}

async fn damage_is_refused<M: SecureKeyManager + 'static>(
    bed: &Bed<M>,
    id: &KeyId,
    good: &Envelope,
) {
    let bytes = good.as_bytes();
    let damaged = (0..bytes.len()).step_by(7).map(|at| {
        let mut copy = bytes.to_vec();
        copy[at] ^= 1 << (at % 8);
        copy
    });
    let cut = [0, 1, bytes.len() / 2, bytes.len() - 1].map(|len| bytes[..len].to_vec());
    for bytes in damaged.chain(cut).chain([[bytes, &[0]].concat()]) {
        replace_envelope(bed, id, Some(Envelope::from_bytes(bytes))).await;
        bed.manager.evict(&Evict::All).await;
        let kind = bed.get_error(id).await;
        // A changed wrapped data key is the KMS's to refuse.
        assert!(matches!(kind, ErrorKind::Integrity(_) | ErrorKind::Kms(_)), "{kind}");
    }
}

/// Writes `envelope` into the current version of `id`, past the manager.
async fn replace_envelope<M: SecureKeyManager + 'static>(
    bed: &Bed<M>,
    id: &KeyId,
    envelope: Option<Envelope>,
) {
    let (row, version) = bed.rows(id).await.unwrap();
    let expect = Expect::Generation { record: row.record, generation: row.generation };
    let versions = vec![VersionRow { envelope, ..version.unwrap() }];
    let change = Change { expect: vec![expect], versions, ..Change::default() };
    bed.store.inner().commit(change).await.unwrap();
}

async fn refused_without_a_call<M: SecureKeyManager + 'static>(bed: &Bed<M>, id: &KeyId) {
    bed.manager.evict(&Evict::All).await;
    let calls = bed.kms.unwraps().calls();
    assert_eq!(bed.get_error(id).await, ErrorKind::Integrity(IntegrityFault::Context), "{id}");
    assert_eq!(bed.kms.unwraps().calls(), calls, "bytes that are wrong cost no KMS call");
}
