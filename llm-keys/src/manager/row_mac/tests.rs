use super::*;
use crate::model::{Actor, Days, Kept, KeyId, Labels, Settings, TemplateRef};
use crate::random::SystemRandom;

/// What is changed, and how.
type Change<R> = (&'static str, Box<dyn Fn(&mut R)>);

fn keys() -> MacKeys {
    MacKeys(vec![(1, SecretBytes::copy_from(&[7; KEY]))])
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn key_row() -> KeyRow {
    let mut labels = Labels::default();
    labels.insert("env", "prod").unwrap();
    KeyRow {
        id: KeyId::user("alice", "openai").unwrap(),
        record: Uuid::from_u128(1),
        state: KeyState::Active,
        current: Some(version(2)),
        latest: Some(version(3)),
        generation: 4,
        kept: "1:2,2:4".parse().unwrap(),
        settings: Settings([("host".to_owned(), "pve.lan".to_owned())].into()),
        template: Some(TemplateRef("proxmox@1".to_owned())),
        labels,
        hint: Hint::from_column("abcd"),
        expires_at: Some(Micros(5)),
        rotate_every: Some(Days(6)),
        due_at: Some(Micros(5)),
        due_told: None,
        created_at: Micros(7),
        updated_at: Micros(8),
        last_used_at: None,
        mac: None,
    }
}

fn version_row() -> VersionRow {
    VersionRow {
        record: Uuid::from_u128(1),
        version: version(2),
        generation: 4,
        state: VersionState::Live,
        envelope: Some(Envelope::from_bytes(vec![1, 2, 3])),
        rewrap: false,
        by: Actor::new("alice").unwrap(),
        reason: Some(Reason::new("leak").unwrap()),
        created_at: Micros(7),
        last_used_at: None,
        mac: None,
    }
}

#[test]
fn every_column_of_a_key_that_decides_something_is_under_the_mac() {
    let keys = keys();
    let mut row = key_row();
    row.mac = Some(keys.of_key(&row).unwrap());
    assert!(keys.is_key(&row));

    let id = |id: KeyId| move |row: &mut KeyRow| row.id = id.clone();
    let changes: Vec<Change<KeyRow>> = vec![
        ("tenant", Box::new(id(row.id.clone().with_tenant("other").unwrap()))),
        ("owner", Box::new(id(KeyId::user("bob", "openai").unwrap()))),
        ("owner kind", Box::new(id(KeyId::team("alice", "openai").unwrap()))),
        ("service", Box::new(id(KeyId::user("alice", "anthropic").unwrap()))),
        ("name", Box::new(id(row.id.clone().with_name("second").unwrap()))),
        ("record", Box::new(|row| row.record = Uuid::from_u128(2))),
        ("state", Box::new(|row| row.state = KeyState::Inactive)),
        ("purge_at", Box::new(|row| row.state = KeyState::Deleted { purge_at: Micros(1) })),
        ("current", Box::new(|row| row.current = Some(version(1)))),
        ("no current", Box::new(|row| row.current = None)),
        ("latest", Box::new(|row| row.latest = Some(version(2)))),
        ("generation", Box::new(|row| row.generation = 3)),
        ("kept", Box::new(|row| row.kept = Kept::default())),
        ("settings", Box::new(|row| *row.settings.0.get_mut("host").unwrap() += ".evil")),
        ("no settings", Box::new(|row| row.settings.0.clear())),
        ("template", Box::new(|row| row.template = None)),
        ("labels", Box::new(|row| row.labels.insert("env", "test").unwrap())),
        ("hint", Box::new(|row| row.hint = None)),
        ("expires_at", Box::new(|row| row.expires_at = Some(Micros(i64::MAX)))),
        ("no expires_at", Box::new(|row| row.expires_at = None)),
        ("rotate_every", Box::new(|row| row.rotate_every = None)),
        ("due_at", Box::new(|row| row.due_at = None)),
        ("created_at", Box::new(|row| row.created_at = Micros(6))),
        ("updated_at", Box::new(|row| row.updated_at = Micros(9))),
        ("mac", Box::new(|row| row.mac = None)),
        ("half a mac", Box::new(|row| row.mac.as_mut().unwrap().0.truncate(17))),
        ("another key's number", Box::new(|row| row.mac.as_mut().unwrap().0[0] = 2)),
    ];
    for (name, change) in &changes {
        let mut row = row.clone();
        change(&mut row);
        assert!(!keys.is_key(&row), "{name}");
    }
    row.last_used_at = Some(Micros(9));
    row.due_told = Some(Micros(5));
    assert!(keys.is_key(&row), "what is written without the key is outside");
}

#[test]
fn every_column_of_a_version_that_decides_something_is_under_the_mac() {
    let keys = keys();
    let mut row = version_row();
    row.mac = Some(keys.of_version(&row).unwrap());
    assert!(keys.is_version(&row));

    let changes: Vec<Change<VersionRow>> = vec![
        ("record", Box::new(|row| row.record = Uuid::from_u128(2))),
        ("version", Box::new(|row| row.version = version(1))),
        ("generation", Box::new(|row| row.generation = 3)),
        ("state", Box::new(|row| row.state = VersionState::Retired)),
        ("until", Box::new(|row| row.state = VersionState::Retiring { until: Micros(1) })),
        ("envelope", Box::new(|row| row.envelope = Some(Envelope::from_bytes(vec![1, 2])))),
        ("no envelope", Box::new(|row| row.envelope = None)),
        ("rewrap", Box::new(|row| row.rewrap = true)),
        ("by", Box::new(|row| row.by = Actor::new("mallory").unwrap())),
        ("reason", Box::new(|row| row.reason = None)),
        ("created_at", Box::new(|row| row.created_at = Micros(6))),
    ];
    for (name, change) in &changes {
        let mut row = row.clone();
        change(&mut row);
        assert!(!keys.is_version(&row), "{name}");
    }
    row.last_used_at = Some(Micros(9));
    assert!(keys.is_version(&row));
}

#[test]
fn one_row_is_not_taken_for_another() {
    let keys = keys();
    // The same bytes in other columns, and the MAC of the other table.
    let mut moved = key_row();
    moved.settings.0 = [("hos".to_owned(), "tpve.lan".to_owned())].into();
    moved.mac = Some(keys.of_key(&key_row()).unwrap());
    assert!(!keys.is_key(&moved));
    let mut row = version_row();
    row.mac = Some(keys.of_key(&key_row()).unwrap());
    assert!(!keys.is_version(&row));
}

#[test]
fn the_record_is_read_back_and_anything_else_is_refused() {
    let keys = MacKeys::generate(&SystemRandom).unwrap();
    let mut row = key_row();
    row.mac = Some(keys.of_key(&row).unwrap());
    let content = keys.serialize().unwrap();
    let again = content.expose(MacKeys::parse).unwrap();
    assert!(again.is_key(&row));
    assert!(!MacKeys::generate(&SystemRandom).unwrap().is_key(&row), "another key");

    let whole = content.expose(<[u8]>::to_vec);
    let twice = [&whole[..], &whole[1..]].concat();
    let other = [&[2], &whole[1..]].concat();
    for bad in [&[][..], &whole[..1], &whole[..20], &[&whole[..], &[0]].concat(), &twice, &other] {
        let kind = MacKeys::parse(bad).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Integrity(IntegrityFault::Row));
    }
}

#[test]
fn a_new_key_signs_and_the_old_one_still_reads() {
    let old = keys();
    let mut row = key_row();
    row.mac = Some(old.of_key(&row).unwrap());
    let both = MacKeys(vec![
        (1, SecretBytes::copy_from(&[7; KEY])),
        (2, SecretBytes::copy_from(&[8; KEY])),
    ]);
    assert!(both.is_key(&row));
    let mut new = key_row();
    new.mac = Some(both.of_key(&new).unwrap());
    assert!(both.is_key(&new));
    assert!(!old.is_key(&new));
}
