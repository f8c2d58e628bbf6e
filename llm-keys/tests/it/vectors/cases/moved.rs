//! Envelopes that were sealed for something else: refused before any key is asked for.

use super::Cases;
use crate::vectors::draft::{Draft, Pairs, key_pairs, system_pairs};

pub(super) fn add(cases: &mut Cases) {
    one_pair(cases);
    owners(cases);
    let one = key_pairs_with(&[("owner_id", "a_b"), ("service", "c")]);
    let other = key_pairs_with(&[("owner_id", "a"), ("service", "b_c")]);
    moved(cases, "split", "From owner `a_b` and service `c` to `a` and `b_c`.", one, &other);
    let (one, other) = (system_pairs(), system_pairs());
    let one = with(one, &[("name", "token-pepper")]);
    moved(cases, "system-name", "From one system record to another.", one, &other);
    let one = with(system_pairs(), &[("version", "2")]);
    moved(cases, "system-version", "From a later version of a system record.", one, &other);
    let same: Pairs = key_pairs().into_iter().filter(|(k, _)| other.contains_key(k)).collect();
    let same = with(same, &[("kind", "system")]);
    moved(cases, "system-to-key", "From a system record to a key.", same, &key_pairs());
    let mut flipped: [u8; 32] = Draft::new("").fixed()[40..72].try_into().unwrap();
    flipped[31] ^= 1;
    for (name, about, hash) in [
        ("hash-flipped", "The last bit of the context hash in the envelope.", flipped),
        ("hash-zero", "The context hash in the envelope is all zero.", [0; 32]),
    ] {
        let draft = Draft { context_hash: Some(hash), ..Draft::new("context-hash") };
        cases.bad("envelope_context", name, about, &draft, draft.seal().bytes());
    }
}

/// Each of the nine pairs changed alone.
fn one_pair(cases: &mut Cases) {
    for (key, value) in [
        ("fmt", "LKE2"),
        ("kind", "system"),
        ("name", "other"),
        ("owner_id", "bob"),
        ("owner_kind", "team"),
        ("record", "6f2c1a58-93b4-4d07-8e65-0a1b2c3d4e5e"),
        ("service", "openai"),
        ("tenant", "acme"),
        ("version", "2"),
    ] {
        let about = format!("Sealed for `{key}` = `{value}`.");
        let sealed_for = key_pairs_with(&[(key, value)]);
        moved(cases, &key.replace('_', "-"), &about, sealed_for, &key_pairs());
    }
    for (name, key, value) in [
        ("owner-case", "owner_id", "Alice"),
        ("owner-prefix", "owner_id", "alic"),
        ("version-zero-padded", "version", "01"),
        ("record-upper-case", "record", "6F2C1A58-93B4-4D07-8E65-0A1B2C3D4E5F"),
        ("record-without-hyphens", "record", "6f2c1a5893b44d078e650a1b2c3d4e5f"),
    ] {
        let about = format!("Sealed for `{key}` = `{value}`: texts are compared byte for byte.");
        moved(cases, name, &about, key_pairs_with(&[(key, value)]), &key_pairs());
    }
    let about = "Sealed for a context with a tenth pair.";
    moved(cases, "extra-pair", about, key_pairs_with(&[("zone", "eu")]), &key_pairs());
    let mut missing = key_pairs();
    missing.remove("tenant");
    moved(cases, "missing-pair", "Sealed for a context without a tenant.", missing, &key_pairs());
}

/// Owners with the same id.
fn owners(cases: &mut Cases) {
    let owner = |kind, id| key_pairs_with(&[("owner_kind", kind), ("owner_id", id)]);
    let (user, team) = (owner("user", "global"), owner("team", "global"));
    let global = owner("global", "");
    for (name, about, from, to) in [
        ("user-to-team", "From user `global` to team `global`.", &user, &team),
        ("team-to-user", "From team `global` to user `global`.", &team, &user),
        ("user-to-global", "From user `global` to everybody.", &user, &global),
        ("global-to-user", "From everybody to user `global`.", &global, &user),
        ("global-to-team", "From everybody to team `global`.", &global, &team),
    ] {
        moved(cases, name, about, from.clone(), to);
    }
}

fn moved(cases: &mut Cases, name: &str, about: &str, from: Pairs, to: &Pairs) {
    let draft = Draft { context: from, ..Draft::new("context") };
    let bytes = draft.seal().bytes();
    let asked = Draft { context: to.clone(), ..draft };
    cases.bad("envelope_context", name, about, &asked, bytes);
}

fn key_pairs_with(changes: &[(&str, &str)]) -> Pairs {
    with(key_pairs(), changes)
}

fn with(mut pairs: Pairs, changes: &[(&str, &str)]) -> Pairs {
    pairs.extend(changes.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
    pairs
}
