//! What the program is told to do, and what that makes of the keys.

use super::model::{Key, Model};
use super::place::Place;
use super::random::Dice;

/// One call of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    /// The first store of all: it makes folders, master key, tables, system records.
    First(String, String),
    Store(String, String),
    Rotate {
        id: String,
        secret: String,
        overlap: bool,
    },
    Rollback(String, u32),
    Prune(String, usize),
    Deactivate(String),
    Activate(String),
    Delete(String),
    Undelete(String),
    Purge(String),
    Import(Vec<(String, String)>),
    Get(String),
    Reseal,
    /// Wraps everything under the KMS key that is not written under now.
    Rewrap,
    /// A new master key file in the place of the one that is written under.
    NewMaster,
}

/// The keys that come and go.
const KEYS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "omega"];

impl Operation {
    /// One that makes sense for what is stored. `secret` gives another one each time.
    pub(super) fn pick(dice: &mut Dice, model: &Model, mut secret: impl FnMut() -> String) -> Self {
        loop {
            let id = (*dice.pick(&KEYS)).to_owned();
            let key = model.get(&id);
            let alive = key.filter(|key| !key.is_deleted());
            let found = match (dice.below(16), key, alive) {
                (0..=2, ..) => Some(Self::Store(id, secret())),
                (3..=5, _, Some(_)) => {
                    Some(Self::Rotate { id, secret: secret(), overlap: dice.one_in(2) })
                }
                (6, _, Some(alive)) => {
                    let old = alive.old_versions();
                    (!old.is_empty()).then(|| Self::Rollback(id, *dice.pick(&old)))
                }
                (7, _, Some(_)) => Some(Self::Prune(id, 1 + dice.below(3))),
                (8, _, Some(alive)) if alive.state == "active" => Some(Self::Deactivate(id)),
                (9, _, Some(alive)) if alive.state == "inactive" => Some(Self::Activate(id)),
                (10, _, Some(_)) => Some(Self::Delete(id)),
                (11, Some(_), None) => Some(Self::Undelete(id)),
                (11, Some(_), _) => Some(Self::Purge(id)),
                (12, ..) => {
                    let may = |id: &&&str| model.get(**id).is_none_or(|key| key.state == "active");
                    let ids: Vec<_> = KEYS.iter().filter(may).collect();
                    let row = |id: &&str| ((*id).to_owned(), secret());
                    (ids.len() > 1).then(|| Self::Import(ids.into_iter().map(row).collect()))
                }
                (13, _, Some(alive)) if alive.state == "active" => Some(Self::Get(id)),
                (14, ..) => Some(if dice.one_in(3) { Self::NewMaster } else { Self::Reseal }),
                (15, ..) => Some(Self::Rewrap),
                _ => None,
            };
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// What it is, whatever it is done to.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::First(..) => "first store",
            Self::Store(..) => "store",
            Self::Rotate { .. } => "rotate",
            Self::Rollback(..) => "rollback",
            Self::Prune(..) => "prune",
            Self::Deactivate(_) => "deactivate",
            Self::Activate(_) => "activate",
            Self::Delete(_) => "delete",
            Self::Undelete(_) => "undelete",
            Self::Purge(_) => "delete --now",
            Self::Import(_) => "import",
            Self::Get(_) => "get",
            Self::Reseal => "reseal",
            Self::Rewrap => "kms rewrap",
            Self::NewMaster => "kms local rotate",
        }
    }

    /// The arguments, and what it reads from standard input.
    pub(super) fn command(&self, place: &Place) -> (Vec<String>, String) {
        let (args, input): (Vec<&str>, &str) = match self {
            Self::First(id, secret) | Self::Store(id, secret) => (vec!["store", id], secret),
            Self::Rotate { id, secret, overlap } => {
                (vec!["rotate", id, "--overlap", if *overlap { "24h" } else { "0" }], secret)
            }
            Self::Rollback(id, to) => {
                return words(&["rollback", id, &to.to_string(), "--yes"], "");
            }
            Self::Prune(id, keep) => {
                return words(&["prune", id, "--keep", &keep.to_string(), "--yes"], "");
            }
            Self::Deactivate(id) => (vec!["deactivate", id], ""),
            Self::Activate(id) => (vec!["activate", id], ""),
            Self::Delete(id) => (vec!["delete", id, "--yes"], ""),
            Self::Undelete(id) => (vec!["undelete", id], ""),
            Self::Purge(id) => (vec!["delete", id, "--now", "--yes"], ""),
            Self::Import(rows) => {
                let row = |(id, secret): &(String, String)| {
                    format!("{}\n", serde_json::json!({ "service": id, "key": secret }))
                };
                let file = place.file("import.jsonl", &rows.iter().map(row).collect::<String>());
                return words(&["import", &file, "--update", "--yes"], "");
            }
            Self::Get(id) => (vec!["get", id], ""),
            Self::Reseal => (vec!["reseal", "--all", "--batch", "3"], ""),
            Self::Rewrap => {
                let (from, to) = (place.writing(), place.other());
                let from_to = ["--from", &from, "--from", &to, "--batch", "3"];
                return words(&[&["kms", "rewrap", "--to", &to][..], &from_to].concat(), "");
            }
            Self::NewMaster => {
                let writing = place.writing();
                return words(&["--kms", &writing, "kms", "local", "rotate"], "");
            }
        };
        words(&args, input)
    }

    /// How it ends if nobody kills it.
    pub(super) fn exit(&self, model: &Model) -> i32 {
        let gone = |id: &String| model.get(id).is_none_or(Key::is_deleted);
        match self {
            Self::Purge(id) if !model.contains_key(id) => 3,
            Self::Delete(id) if gone(id) => 3,
            // It is not deleted any more.
            Self::Undelete(id) if !gone(id) => 2,
            _ => 0,
        }
    }

    /// What may be found when it was killed, from nothing done to all; of each key on its own.
    pub(super) fn stages(&self, before: &Model) -> Vec<Model> {
        let mut stages = vec![before.clone()];
        if let Self::Rotate { id, secret, .. } = self {
            let mut pending = before.clone();
            pending.get_mut(id).unwrap().put_pending(secret);
            stages.push(pending);
        }
        let mut after = before.clone();
        self.apply(&mut after);
        stages.push(after);
        stages
    }

    /// What it makes of the keys.
    pub(super) fn apply(&self, model: &mut Model) {
        if self.exit(model) != 0 {
            return;
        }
        match self {
            Self::First(id, secret) | Self::Store(id, secret) => put(model, id, secret),
            Self::Rotate { id, secret, overlap } => {
                let key = model.get_mut(id).unwrap();
                key.put_pending(secret);
                key.finish_rotation(if *overlap { "retiring" } else { "retired" });
            }
            Self::Rollback(id, to) => {
                let key = model.get_mut(id).unwrap();
                let secret = key.versions[to].secret.clone().unwrap();
                key.put(&secret);
            }
            Self::Prune(id, keep) => model.get_mut(id).unwrap().prune(*keep),
            Self::Deactivate(id) => model.get_mut(id).unwrap().state = "inactive",
            Self::Activate(id) => model.get_mut(id).unwrap().state = "active",
            Self::Delete(id) => model.get_mut(id).unwrap().state = "deleted",
            // It comes back out of use.
            Self::Undelete(id) => model.get_mut(id).unwrap().state = "inactive",
            Self::Purge(id) => drop(model.remove(id)),
            Self::Import(rows) => {
                for (id, secret) in rows {
                    if model.get(id).and_then(Key::secret) != Some(secret) {
                        put(model, id, secret);
                    }
                }
            }
            Self::Get(_) | Self::Reseal | Self::Rewrap | Self::NewMaster => {}
        }
    }
}

fn put(model: &mut Model, id: &str, secret: &str) {
    if model.get(id).is_some_and(Key::is_deleted) {
        // It makes room for another key.
        model.remove(id);
    }
    model.entry(id.to_owned()).or_insert_with(Key::new).put(secret);
}

fn words(args: &[&str], input: &str) -> (Vec<String>, String) {
    (args.iter().map(|arg| (*arg).to_owned()).collect(), input.to_owned())
}
