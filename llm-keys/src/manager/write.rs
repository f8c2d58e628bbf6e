//! Writing: the one place where the rows of a key change.
//!
//! Every use case plans a [`Draft`] and hands it over. What binds the rows of one key together is
//! set here and nowhere else: the generation, the list of kept versions, when something falls due,
//! and the MAC of each row.

use std::sync::Arc;

use uuid::Uuid;

use super::envelope_manager::Core;
use super::row_mac::MacKeys;
use crate::clock::Micros;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Action, Event};
use crate::model::{Caller, KeyRow, KeyState, Version, VersionRow};
use crate::store::{Change, Expect};

/// How often a change is tried anew when others write the same key at the same time.
pub(super) const ATTEMPTS: usize = 16;

/// A change of one key, as a use case plans it.
#[derive(Debug)]
pub(super) struct Draft {
    /// The key as it will be; what is set here in [`Core::write`] may have any value.
    pub(super) key: KeyRow,
    /// Whether the key is new. One that is not must still have the generation in `key`.
    pub(super) new: bool,
    /// A deleted key of the same id that makes room for a new one.
    pub(super) replaces: Option<Place>,
    /// The row of the version that will be current, changed or not; `None` if there will be none.
    pub(super) current: Option<VersionRow>,
    /// Other version rows that change.
    pub(super) others: Vec<VersionRow>,
    /// Whether one of them was sealed just now: then the sentinel must be there.
    pub(super) sealed: bool,
}

/// A key row as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    record: Uuid,
    generation: u64,
}

impl Place {
    pub(super) fn of(key: &KeyRow) -> Self {
        Self { record: key.record, generation: key.generation }
    }

    /// That it has not changed since.
    pub(super) fn expected(self) -> Expect {
        Expect::Generation { record: self.record, generation: self.generation }
    }
}

impl Draft {
    /// A change of a key that is stored, whose current version stays.
    pub(super) fn of(key: KeyRow, current: Option<VersionRow>) -> Self {
        Self { key, new: false, replaces: None, current, others: Vec::new(), sealed: false }
    }

    /// The key as it will be, and the rows to write, each bound to the others, with what must hold.
    pub(super) fn bind(mut self, now: Micros, keys: &MacKeys) -> Result<(KeyRow, Change)> {
        let mut expect = vec![match self.new {
            true => Expect::Absent(self.key.id.clone()),
            false => Place::of(&self.key).expected(),
        }];
        expect.extend(self.replaces.map(Place::expected));
        let purge = self.replaces.iter().map(|place| place.record).collect();
        self.key.generation += 1;
        self.key.updated_at = now;
        let mut versions: Vec<_> = self.others.into_iter().chain(self.current.clone()).collect();
        for row in &mut versions {
            row.generation = self.key.generation;
            match row.envelope {
                Some(_) => self.key.kept.set(row.version, row.generation),
                None => self.key.kept.remove(row.version),
            }
            row.mac = Some(keys.of_version(row)?);
        }
        self.key.due_at = due_at(&self.key, self.current.as_ref());
        self.key.mac = Some(keys.of_key(&self.key)?);
        let keys = vec![self.key.clone()];
        Ok((self.key, Change { expect, keys, versions, purge, ..Change::default() }))
    }
}

impl Core {
    /// Records the event of `draft` and makes it; the key as it is then. `version` is what the event
    /// names.
    ///
    /// # Errors
    /// `Conflict` if the key changed since it was read; `EventSink`, `Store` if that part fails.
    pub(super) async fn write(
        self: &Arc<Self>,
        draft: Draft,
        action: Action,
        version: Option<Version>,
        caller: &Arc<Caller>,
    ) -> Result<KeyRow> {
        let id = draft.key.id.clone();
        let mut events = vec![self.change_event(action, &draft.key, version, caller)];
        // What makes room for a new key goes for good.
        events.extend(draft.replaces.map(|old| {
            let purge = self.change_event(Action::KeyPurge, &draft.key, None, caller);
            purge.of(old.record, None)
        }));
        for event in &events {
            self.record(event).await?;
        }
        fail_point!("write.recorded");
        match self.write_recorded(draft, events).await {
            Ok(key) => Ok(key),
            Err(error) => Err(self.failed(action, &id, caller, error).await),
        }
    }

    async fn write_recorded(self: &Arc<Self>, draft: Draft, events: Vec<Event>) -> Result<KeyRow> {
        // Before the key: a storage that holds one always tells the right KMS from a wrong one.
        if draft.sealed {
            self.ensure_sentinel().await?;
        }
        let keys = self.mac_keys_to_write(&draft.key.id.tenant).await?;
        fail_point!("write.ready");
        let (key, mut change) = draft.bind(self.clock.now(), &keys)?;
        change.events = events;
        fail_point!("write.bound");
        Self::commit(self, &key.id, change).await?;
        fail_point!("write.committed");
        Ok(key)
    }
}

/// What it means that the last attempt failed, too.
pub(super) fn busy() -> Error {
    Error::new(ErrorKind::Conflict, "manager.change", "others kept changing the same key")
        .with_hint("try again")
}

/// When something falls due with `key`.
fn due_at(key: &KeyRow, current: Option<&VersionRow>) -> Option<Micros> {
    if let KeyState::Deleted { purge_at } = key.state {
        return Some(purge_at);
    }
    let rotation = key.rotate_every.zip(current);
    let rotation = rotation.map(|(days, row)| row.created_at.saturating_add(days.duration()));
    [key.expires_at, rotation].into_iter().flatten().min()
}
