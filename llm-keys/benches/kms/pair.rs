//! Two benchmarks: a get of ours, and the bare call.

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion};
use llm_keys::SecureKeyManager as _;
use tokio::runtime::{Builder, Runtime};

use super::bed::Bed;

/// Measures `bare` against `get_api_key` under the name `group`. What `open` makes is made only if
/// one of the two is run.
pub(crate) fn pair<T>(
    c: &mut Criterion,
    group: &str,
    open: impl AsyncFn() -> (Bed, T),
    bare: impl AsyncFn(&Bed, &T),
) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let made = OnceCell::new();
    let both = || made.get_or_init(|| runtime.block_on(open()));
    let mut group = c.benchmark_group(group);
    let ours = async |bed: &Bed| {
        black_box(bed.manager.get_api_key(black_box(&bed.id)).await.unwrap().unwrap());
    };
    group.bench_function("ours", |b| {
        let (bed, more) = both();
        each(b, &runtime, async || ours(bed).await, async || bare(bed, more).await);
    });
    group.bench_function("baseline", |b| {
        let (bed, more) = both();
        each(b, &runtime, async || bare(bed, more).await, async || ours(bed).await);
    });
    group.finish();
}

/// Times `call`. After each one comes one of the `other` kind, which is not timed: so both meet the
/// server and the processor's caches in the same state, and its moods fall on both.
fn each(b: &mut Bencher<'_>, runtime: &Runtime, call: impl AsyncFn(), other: impl AsyncFn()) {
    b.iter_custom(|times| {
        runtime.block_on(async {
            let mut taken = Duration::ZERO;
            for _ in 0..times {
                let start = Instant::now();
                call().await;
                taken += start.elapsed();
                other().await;
            }
            taken
        })
    });
}

/// A runtime with a thread of its own, for a server that this process has: as if it were another.
pub(crate) fn elsewhere() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
