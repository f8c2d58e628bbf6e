//! Envelopes whose data key the local KMS wrapped.

use super::Cases;
use crate::vectors::draft::{Draft, local_blob, local_uri, system_pairs};

const MASTER: [u8; 32] = [0x42; 32];
const OTHER: [u8; 32] = [0x24; 32];

pub(super) fn add(cases: &mut Cases) {
    good(cases);
    refused(cases);
}

fn good(cases: &mut Cases) {
    let mut ok = |name: &str, about: &str, draft: &Draft, master: &[u8; 32]| {
        cases.ok(&format!("local-{name}"), about, draft);
        cases.with_master(master);
    };
    let draft = wrapped("local");
    ok("one", "Wrapped under a local master key.", &draft, &MASTER);
    let both = Draft { wrapped: [wrapped_by(&OTHER, &draft), draft.wrapped].concat(), ..draft };
    ok("first-of-two", "Two copies, read with the first one's key.", &both, &OTHER);
    ok("second-of-two", "Two copies, read with the second one's key.", &both, &MASTER);
    let mut readable = Draft { flags: 1, ..Draft::new("local-readable") };
    readable.wrapped = wrapped_by(&MASTER, &readable);
    ok("readable", "The local KMS is given all pairs in any case.", &readable, &MASTER);
    let mut system = Draft { context: system_pairs(), ..Draft::new("local-system") };
    system.wrapped = wrapped_by(&MASTER, &system);
    ok("system", "A system record.", &system, &MASTER);
    let mut random = Draft { data_key: [0xd5; 32], ..Draft::new("local-other-data-key") };
    random.wrapped = wrapped_by(&MASTER, &random);
    ok("other-data-key", "Another data key, to be found by unwrapping alone.", &random, &MASTER);
}

fn refused(cases: &mut Cases) {
    let draft = wrapped("local");
    let mut bad = |class: &str, name: &str, about: &str, draft: &Draft, master: &[u8; 32]| {
        cases.bad(class, name, about, draft, draft.seal().bytes());
        cases.with_master(master);
    };
    let about = "No copy is wrapped under this master key.";
    bad("kms_wrong_key", "other-master", about, &draft, &OTHER);
    let foreign = Draft { wrapped: vec![(b"test:one".to_vec(), vec![1; 40])], ..draft.clone() };
    bad("kms_wrong_key", "other-kms", "The only copy is another KMS's.", &foreign, &MASTER);

    let mut edit = |name: &str, about: &str, edit: fn(&mut Vec<u8>)| {
        let mut changed = draft.clone();
        edit(&mut changed.wrapped[0].1);
        bad("kms_context_mismatch", name, about, &changed, &MASTER);
    };
    edit("blob-version", "An unknown version of the blob.", |blob| blob[0] = 2);
    edit("blob-salt", "The salt of the blob was changed.", |blob| blob[1] ^= 1);
    edit("blob-nonce", "The nonce of the blob was changed.", |blob| blob[33] ^= 1);
    edit("blob-key", "The wrapped bytes were changed.", |blob| blob[45] ^= 1);
    edit("blob-tag", "The tag of the blob was changed.", |blob| *blob.last_mut().unwrap() ^= 1);
    edit("blob-cut", "The blob is a byte too short.", |blob| blob.truncate(92));
    edit("blob-extended", "The blob is a byte too long.", |blob| blob.push(0));

    let mut moved = draft.clone();
    let other = draft.clone().with_context("owner_id", "bob");
    moved.wrapped = wrapped_by(&MASTER, &other);
    let about = "The data key was wrapped for another context.";
    bad("kms_context_mismatch", "other-context", about, &moved, &MASTER);
    let mut renamed = draft.clone();
    renamed.wrapped = wrapped_by(&OTHER, &draft);
    renamed.wrapped[0].0 = local_uri(&MASTER);
    let about = "The copy names this master key, but another one wrapped it.";
    bad("kms_context_mismatch", "other-master", about, &renamed, &MASTER);

    let mut swapped = draft.clone();
    let key = Draft { data_key: [9; 32], ..draft.clone() };
    swapped.wrapped = wrapped_by(&MASTER, &key);
    let about = "The KMS unwraps another data key than the one this was sealed with.";
    bad("envelope_commitment", "local-other-data-key", about, &swapped, &MASTER);
}

fn wrapped(seed: &str) -> Draft {
    let draft = Draft::new(seed);
    Draft { wrapped: wrapped_by(&MASTER, &draft), ..draft }
}

fn wrapped_by(master: &[u8; 32], draft: &Draft) -> Vec<(Vec<u8>, Vec<u8>)> {
    let seed = hex::encode(draft.msg_id);
    vec![(local_uri(master), local_blob(master, &draft.data_key, &draft.context, &seed))]
}
