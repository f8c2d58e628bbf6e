//! Whether two rows are one.

use super::refused;
use crate::error::Result;
use crate::model::{KeyRow, VersionRow};
use crate::store::Use;

/// How the target's rows of a key stand to the source's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Equal, but for last uses.
    Same,
    /// As the source's were once.
    Older,
}

/// Whether the versions were read as they were when the key row was: every later change of one has a
/// later generation, and a purge takes all.
pub(super) fn is_whole(key: &KeyRow, versions: &[VersionRow]) -> bool {
    versions.iter().all(|row| row.generation <= key.generation)
        && key.current.is_none_or(|current| versions.iter().any(|row| row.version == current))
}

/// Compares the source's rows of a key with those that the target has under the same record.
///
/// # Errors
/// `Conflict` if the target's cannot be an earlier state of the source's.
pub(super) fn compare(
    key: &KeyRow,
    versions: &[VersionRow],
    old: &KeyRow,
    old_versions: &[VersionRow],
) -> Result<Found> {
    let other = |what: &str| Err(refused(format!("the target has the key {} {what}", key.id)));
    if key.id != old.id {
        return other("under another id");
    }
    if old.generation > key.generation {
        return other("in a newer state");
    }
    if old_versions.iter().any(|row| row.generation > old.generation) {
        return other("with a version that does not belong to it");
    }
    for row in old_versions {
        match versions.iter().find(|now| now.version == row.version) {
            None => return other("with one more version"),
            Some(now) if now.generation < row.generation => {
                return other("with a newer version");
            }
            Some(now) if now.generation == row.generation && !same_version(now, row) => {
                return other("with another version");
            }
            Some(_) => {}
        }
    }
    if old.generation < key.generation {
        return Ok(Found::Older);
    }
    if !same_key(key, old) {
        return other("with other contents");
    }
    // An event about a due key changes its row, and nothing that anybody decides by: no generation.
    let complete = versions.iter().all(|row| old_versions.iter().any(|old| same_version(row, old)));
    match complete && key.due_told == old.due_told {
        true => Ok(Found::Same),
        false => Ok(Found::Older),
    }
}

fn same_key(one: &KeyRow, other: &KeyRow) -> bool {
    let (last_used_at, due_told) = (one.last_used_at, one.due_told);
    *one == KeyRow { last_used_at, due_told, ..other.clone() }
}

fn same_version(one: &VersionRow, other: &VersionRow) -> bool {
    *one == VersionRow { last_used_at: one.last_used_at, ..other.clone() }
}

/// The uses that the source has noted since the target's rows were written. Each is noted in the
/// version and in its key at once, so those of the versions tell all.
pub(super) fn last_uses(versions: &[VersionRow], old_versions: &[VersionRow]) -> Vec<Use> {
    let newer = |row: &VersionRow| {
        let old = old_versions.iter().find(|old| old.version == row.version)?;
        let at = row.last_used_at.filter(|at| Some(*at) > old.last_used_at)?;
        Some(Use { record: row.record, version: row.version, at })
    };
    versions.iter().filter_map(newer).collect()
}
