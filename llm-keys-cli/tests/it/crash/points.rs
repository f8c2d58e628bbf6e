//! Which fail points there are, and which of them each operation passes, how often.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::campaign::Campaign;
use super::database::Backend;
use super::operation::Operation;
use super::place::Place;
use super::random::Dice;

/// A place: a fail point, and at which time it is come to.
pub(super) type At = (&'static str, usize);

/// How often each point is passed.
pub(super) type Counts = BTreeMap<&'static str, usize>;

/// What each kind of operation passes, in order.
pub(super) struct Passed {
    by_kind: BTreeMap<&'static str, Counts>,
    /// How long it took.
    usual: BTreeMap<&'static str, Duration>,
}

impl Passed {
    /// Does everything once, and looks which points it passes.
    pub(super) fn tour(backend: Backend) -> Self {
        Self::watched(backend, &everything())
    }

    /// The same of the first use of all alone.
    pub(super) fn of_first_use(backend: Backend) -> Self {
        Self::watched(backend, &everything()[..1])
    }

    fn watched(backend: Backend, operations: &[Operation]) -> Self {
        let mut campaign = Campaign::new(backend, 0, 0);
        let mut usual = BTreeMap::new();
        let mut by_kind: BTreeMap<_, Counts> = BTreeMap::new();
        for operation in operations {
            let (passed, time) = campaign.watched(operation);
            usual.insert(operation.kind(), time);
            let all = by_kind.entry(operation.kind()).or_default();
            for (name, count) in passed {
                let most = all.entry(name).or_default();
                *most = count.max(*most);
            }
        }
        Self { by_kind, usual }
    }

    /// All places of one kind of operation.
    pub(super) fn of(&self, kind: &str) -> Vec<At> {
        let points = self.by_kind[kind].iter();
        points.flat_map(|(name, count)| (1..=*count).map(move |n| (*name, n))).collect()
    }

    /// One of them; no name comes more often because it is passed more often.
    pub(super) fn pick(&self, kind: &str, dice: &mut Dice) -> At {
        let points: Vec<_> = self.by_kind[kind].iter().collect();
        let (name, count) = dice.pick(&points);
        (name, 1 + dice.below(**count))
    }

    /// A moment while such an operation is under way.
    pub(super) fn moment(&self, kind: &str, dice: &mut Dice) -> Duration {
        self.usual[kind] * u32::try_from(dice.below(100)).unwrap() / 100
    }

    fn names(&self) -> BTreeSet<&'static str> {
        self.by_kind.values().flat_map(|points| points.keys().copied()).collect()
    }
}

/// Each kind of operation, in an order that makes sense.
fn everything() -> Vec<Operation> {
    let mut number = 0;
    let mut secret = || {
        number += 1;
        format!("sk-test-tour-{number:04}")
    };
    let id = |id: &str| id.to_owned();
    let mut rows = |ids: [&str; 3]| ids.map(|id| (id.to_owned(), secret())).to_vec();
    let import = rows(["beta", "gamma", "delta"]);
    vec![
        Operation::First(id("alpha"), secret()),
        Operation::Store(id("alpha"), secret()),
        Operation::Import(import),
        Operation::Get(id("beta")),
        Operation::Rotate { id: id("alpha"), secret: secret(), overlap: false },
        Operation::Rollback(id("alpha"), 1),
        Operation::Prune(id("alpha"), 2),
        Operation::Deactivate(id("beta")),
        Operation::Activate(id("beta")),
        Operation::Delete(id("gamma")),
        Operation::Undelete(id("gamma")),
        Operation::Delete(id("gamma")),
        // It makes room.
        Operation::Store(id("gamma"), secret()),
        Operation::Purge(id("delta")),
        Operation::Reseal,
        Operation::NewMaster,
        Operation::Rewrap,
    ]
}

/// What the program says it passed, in the file that it was told to say it in.
pub(super) fn read(place: &Place) -> Counts {
    let text = std::fs::read_to_string(file(place)).unwrap_or_default();
    let mut passed = BTreeMap::new();
    for line in text.lines() {
        let name = listed().iter().find(|name| *name == line).unwrap();
        *passed.entry(name.as_str()).or_default() += 1;
    }
    let _ = std::fs::remove_file(file(place));
    passed
}

/// What tells the program to do so.
pub(super) fn watch(place: &Place) -> (&'static str, String) {
    ("LLM_KEYS_POINTS", format!("{}:{}", file(place).display(), listed().join(",")))
}

fn file(place: &Place) -> PathBuf {
    place.path().join("points")
}

/// The table of the documentation.
fn listed() -> &'static [String] {
    static LISTED: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    LISTED.get_or_init(|| {
        let page = root().join("docs/reference/fail-points.md");
        let text = std::fs::read_to_string(page).unwrap();
        let (_, table) = text.split_once("| name |").unwrap();
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.map(|row| row.split_once('`').unwrap().0.to_owned()).collect()
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names in the code, each once.
fn in_the_code() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders: Vec<_> = ["llm-keys", "llm-keys-diesel", "llm-keys-cli"]
        .map(|name| root().join(name).join("src"))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let points = text.split("fail_point!(\"").skip(1);
                names.extend(points.map(|rest| rest.split_once('"').unwrap().0.to_owned()));
            }
        }
    }
    names
}

#[test]
fn the_table_lists_every_point_once() {
    let (mut code, mut table) = (in_the_code(), listed().to_vec());
    code.sort_unstable();
    table.sort_unstable();
    assert_eq!(code, table);
    table.dedup();
    assert_eq!(code, table);
    assert!(table.len() >= 20);
}

#[test]
fn every_point_is_passed_by_something() {
    let passed = Passed::tour(Backend::Sqlite);
    let listed: BTreeSet<_> = listed().iter().map(String::as_str).collect();
    assert_eq!(passed.names(), listed);
}
