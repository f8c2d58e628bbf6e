//! Envelopes that open.

use super::Cases;
use crate::gcm::two_key_collision;
use crate::seeded::Seeded;
use crate::vectors::draft::{Draft, system_pairs};

pub(super) fn add(cases: &mut Cases) {
    owners(cases);
    contexts(cases);
    contents(cases);
    copies(cases);
    let (first, _, bytes) = collision();
    let about = "The payload's tag verifies under two data keys; this is the committed one.";
    cases.ok_bytes("two-keys-the-committed", about, &first, bytes);
}

fn owners(cases: &mut Cases) {
    let draft = Draft::new;
    cases.ok("example", "The worked example of the specification.", &draft("example"));
    let team = draft("team").with_context("owner_kind", "team").with_context("owner_id", "infra");
    cases.ok("team", "Owned by a team.", &team);
    let global = draft("global").with_context("owner_kind", "global").with_context("owner_id", "");
    cases.ok("global", "Owned by everybody of the tenant: the owner id is empty.", &global);
    let named = draft("user-named-global").with_context("owner_id", "global");
    cases.ok("user-named-global", "A user whose id is `global` is just a user.", &named);
    let odd = draft("odd-owner").with_context("owner_id", "a b/c:d\\\"{}%00~");
    cases.ok("odd-owner", "An owner id may hold any printable ASCII.", &odd);
    let upper = draft("upper-case-owner").with_context("owner_id", "Alice");
    cases.ok("upper-case-owner", "Owner ids keep their case.", &upper);
}

fn contexts(cases: &mut Cases) {
    let longest = Draft::new("longest-context")
        .with_context("tenant", &"t".repeat(255))
        .with_context("owner_id", &"o".repeat(255))
        .with_context("service", &"s".repeat(63))
        .with_context("name", &"n".repeat(63))
        .with_context("version", "4294967295");
    cases.ok("longest-context", "Every part of the context as long as it may be.", &longest);
    let shortest = Draft::new("shortest-context")
        .with_context("tenant", "t")
        .with_context("owner_id", "o")
        .with_context("service", "0")
        .with_context("name", "n");
    cases.ok("shortest-context", "Every part of the context as short as it may be.", &shortest);
    let mut system = Draft { context: system_pairs(), ..Draft::new("system") };
    cases.ok("system", "A system record has six pairs.", &system);
    system.flags = 1;
    cases.ok("system-readable", "A system record with the readable flag.", &system);
    let other = Draft { context: system_pairs(), ..Draft::new("system-tenant") }
        .with_context("tenant", "Acme Corp")
        .with_context("name", "row-mac.1")
        .with_context("version", "12");
    cases.ok("system-tenant", "A system record of another tenant, later version.", &other);
}

fn contents(cases: &mut Cases) {
    let of = |name: &str, plaintext: Vec<u8>| Draft { plaintext, ..Draft::new(name) };
    cases.ok("one-byte", "The shortest plaintext.", &of("one-byte", vec![b'x']));
    let full = of("longest", Seeded::new("longest plaintext").bytes(16384));
    cases.ok("longest", "The longest plaintext, 16384 bytes.", &full);
    let binary = of("binary", (0..=255).collect());
    cases.ok("binary", "A plaintext need not be text.", &binary);
    for len in [15, 16, 17] {
        let (name, about) = (format!("{len}-bytes"), format!("A plaintext of {len} bytes."));
        cases.ok(&name, &about, &of(&name, vec![b'k'; len]));
    }
    let key = format!("sk-ant-api03-{}AA", "x".repeat(93));
    cases.ok("108-bytes", "A plaintext of the usual length.", &of("108-bytes", key.into_bytes()));
    let fields = of("fields", br#"{"id":"x","secret":"y"}"#.to_vec());
    let fields = Draft { content: 2, ..fields };
    cases.ok("fields", "Content type 2. What the fields look like is not part of LKE1.", &fields);
    let readable = Draft { flags: 1, ..Draft::new("readable") };
    cases.ok("readable", "The readable flag.", &readable);
    let all = Draft { flags: 1, content: 2, ..Draft::new("readable-fields") }.with_copies(3);
    cases.ok("readable-fields", "The readable flag, content type 2, three copies.", &all);
}

fn copies(cases: &mut Cases) {
    for count in [2, 8] {
        let name = format!("{count}-copies");
        let draft = Draft::new(&name).with_copies(count);
        cases.ok(&name, "Wrapped under several KMS keys.", &draft);
    }
    let draft = Draft::new("shortest-copy").with_wrapped(b"a:b", b"\x00");
    cases.ok("shortest-copy", "The shortest key URI and blob.", &draft);
    let random = Seeded::new("longest copies");
    let mut draft = Draft::new("longest-copies");
    draft.wrapped = (0..8)
        .map(|i| (format!("t:{i}{}", "/".repeat(509)).into_bytes(), random.bytes(4096)))
        .collect();
    cases.ok("longest-copies", "The longest header: 8 copies of 512 + 4096 bytes.", &draft);
    let uri =
        b"aws-kms:arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let blob = Seeded::new("184").bytes(184);
    let draft = Draft::new("key-uri-with-colons").with_wrapped(uri, &blob);
    cases.ok("key-uri-with-colons", "After the first colon a key URI is free.", &draft);
    let draft = Draft::new("key-uri-every-character");
    let every: Vec<u8> = (b'!'..=b'~').collect();
    let draft = draft.with_wrapped(&[b"a0+-:", &*every].concat(), &blob);
    cases.ok("key-uri-every-character", "All printable ASCII in a key URI.", &draft);
}

/// Two drafts that differ in their data key alone, and an envelope of the first whose payload tag
/// verifies under both.
pub(crate) fn collision() -> (Draft, Draft, Vec<u8>) {
    let mut first = Draft::new("two-keys");
    let second = Draft { data_key: [0x5a; 32], ..first.clone() };
    let keys = [&first.payload_key(), &second.payload_key()];
    let texts = [b"the first secret", b"another's secret"];
    let aad = first.associated_data();
    let (ciphertext, tag) = two_key_collision(keys, first.nonce, &aad, texts);
    // The plaintext is what the ciphertext says, so a plain seal must give the same envelope.
    first.plaintext = vec![0; 48];
    let stream = first.seal().ciphertext;
    first.plaintext = stream.iter().zip(&ciphertext).map(|(a, b)| a ^ b).collect();
    let bytes = first.with_payload(ciphertext, tag.to_vec()).bytes();
    assert_eq!(first.seal().bytes(), bytes);
    (first, second, bytes)
}
