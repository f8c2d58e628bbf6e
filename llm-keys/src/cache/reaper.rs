//! Drops expired secrets, also in a process that does nothing.

use std::sync::Weak;
use std::time::Duration;

use super::Shared;

/// An expired secret must be gone within a second. moka frees what it removed an epoch or two
/// later, that is in one of the next rounds, so a second holds five rounds.
const EVERY: Duration = Duration::from_millis(200);

/// A thread and not a task: it must run whatever the application's runtime does. It ends when the
/// cache is gone. If no thread can be had, expired secrets are still never served, only dropped
/// later, when the cache is next used.
pub(super) fn start(cache: Weak<Shared>) {
    let reap = move || {
        loop {
            std::thread::sleep(EVERY);
            let Some(shared) = cache.upgrade() else { return };
            if let Some(entries) = &shared.entries {
                entries.run_pending_tasks();
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("llm-keys-reaper".to_owned()).spawn(reap) {
        tracing::warn!(%error, "no reaper thread: expired secrets are dropped late");
    }
}
