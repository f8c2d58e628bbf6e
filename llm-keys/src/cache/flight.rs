//! One load for all who ask at the same time.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Shared as SharedFuture, WeakShared};

use super::{Load, Shared};
use crate::model::KeyId;

type Flying = SharedFuture<Pin<Box<dyn Future<Output = Load> + Send>>>;

/// The loads that are under way. They are held weakly: a load lives as long as somebody waits.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<KeyId, Flight>>);

struct Flight {
    mark: Arc<Mark>,
    load: WeakShared<Pin<Box<dyn Future<Output = Load> + Send>>>,
}

/// Tells one flight from the next of the same key.
#[derive(Default)]
struct Mark {
    evicted: AtomicBool,
}

/// Joins the load of `id` that is under way, or begins `load`.
pub(super) async fn join(
    shared: &Arc<Shared>,
    id: &KeyId,
    now: Duration,
    load: impl Future<Output = Load> + Send + 'static,
) -> Load {
    let flying = {
        let mut flights = shared.flights.lock();
        // The flight of others may have landed between the caller's look into the cache and this.
        if let Some(entry) = shared.find(id, now) {
            return Ok(Some(entry));
        }
        match flights.get(id).and_then(|flight| flight.load.upgrade()) {
            Some(flying) => flying,
            None => take_off(&mut flights, shared, id, load),
        }
    };
    flying.await
}

/// Begins `load`; one that is under way goes on for those who wait for it, but does not land.
pub(super) async fn begin(
    shared: &Arc<Shared>,
    id: &KeyId,
    load: impl Future<Output = Load> + Send + 'static,
) -> Load {
    let flying = {
        let mut flights = shared.flights.lock();
        if let Some(flight) = flights.remove(id) {
            flight.mark.evicted.store(true, Ordering::Release);
        }
        take_off(&mut flights, shared, id, load)
    };
    flying.await
}

fn take_off(
    flights: &mut HashMap<KeyId, Flight>,
    shared: &Arc<Shared>,
    id: &KeyId,
    load: impl Future<Output = Load> + Send + 'static,
) -> Flying {
    let mark = Arc::new(Mark::default());
    let landing = Landing { shared: Arc::clone(shared), id: id.clone(), mark: Arc::clone(&mark) };
    let load: Pin<Box<dyn Future<Output = Load> + Send>> = Box::pin(async move {
        let result = landing.shared.counters.count(load.await);
        landing.land(&result);
        result
    });
    let flying = load.shared();
    // `None` only once the load has ended, and nobody has polled it yet.
    if let Some(load) = flying.downgrade() {
        flights.insert(id.clone(), Flight { mark, load });
    }
    flying
}

/// Clears the flight off the table when it ends, whether it landed or everybody went away.
struct Landing {
    shared: Arc<Shared>,
    id: KeyId,
    mark: Arc<Mark>,
}

impl Landing {
    fn land(&self, result: &Load) {
        // Under the lock: an eviction comes wholly before this, and is seen, or wholly after, and
        // removes what is inserted here.
        let _flights = self.shared.flights.lock();
        if !self.mark.evicted.load(Ordering::Acquire) {
            self.shared.take(&self.id, result);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.shared.flights.lock();
        if flights.get(&self.id).is_some_and(|flight| Arc::ptr_eq(&flight.mark, &self.mark)) {
            flights.remove(&self.id);
        }
    }
}

impl Flights {
    /// Marks the flights of those keys as evicted, and runs `remove` before any flight can land.
    pub(super) fn evict(
        &self,
        flying: impl Fn(&KeyId) -> bool,
        remove: impl FnOnce() -> u64,
    ) -> u64 {
        let mut flights = self.lock();
        flights.retain(|id, flight| {
            let evicted = flying(id);
            if evicted {
                flight.mark.evicted.store(true, Ordering::Release);
            }
            !evicted
        });
        remove()
    }

    /// Whether no load is under way.
    pub(super) fn none(&self) -> bool {
        self.lock().is_empty()
    }

    /// A panic while the lock is held leaves the table as it is: at worst a load too many.
    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flights({})", self.lock().len())
    }
}
