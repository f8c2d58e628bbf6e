//! The real program, killed as by `kill -9` at its fail points, and started again: what it had
//! acknowledged is there, what it had not is there wholly or not at all, and the same call finishes
//! what was broken off.
//!
//! This process keeps the journal: what it asked for, and what the program acknowledged. After each
//! kill everything that is stored is compared with it. All choices come from a seed, which is printed.
//!
//! | # | Rule | Where it is looked at |
//! |---|---|---|
//! | 1 | What was acknowledged is stored: every key, its state, every version with its secret | `Campaign::answered`, `Campaign::settle` |
//! | 2 | Of each key, what was not acknowledged is done wholly or not at all; a rotation may be in between, with a pending version that nobody is given | `Campaign::settle`, `Operation::stages` |
//! | 3 | A key has one live version at most, and that is the current one | `look` |
//! | 4 | Every envelope opens under a KMS key, those of system records, too | `look` |
//! | 5 | No row is refused, and no version is of no key | `look` |
//! | 6 | A version and the event that wrote it are stored together | `look` |
//! | 7 | The same call again comes to its end, and does what it says | `Campaign::kill` |
//! | 8 | A rewrap that came to its end left nothing under the other KMS key | `all_is_moved` |
//!
//! `LLM_KEYS_CRASH_RUNS` and `LLM_KEYS_CRASH_SEED` make it longer, or the same again:
//! `cargo xtask crash`.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use llm_keys::{Clock as _, Random as _, SystemClock, SystemRandom};

use self::campaign::Campaign;
use self::database::Backend;
use self::points::Passed;

mod campaign;
mod database;
mod look;
mod model;
mod operation;
mod place;
mod points;
mod random;

/// Kills in a usual run.
const RUNS: usize = 60;
/// Kills of one campaign; they meet what those before left behind.
const EACH: usize = 10;

/// Kills the program `LLM_KEYS_CRASH_RUNS` times, in campaigns that run beside each other.
fn nothing_acknowledged_is_lost(backend: Backend) {
    let runs = number("LLM_KEYS_CRASH_RUNS").unwrap_or(RUNS as u64);
    let runs = usize::try_from(runs).unwrap();
    let seed = number("LLM_KEYS_CRASH_SEED").unwrap_or_else(any_seed);
    println!("{backend:?}: {runs} kills, LLM_KEYS_CRASH_SEED={seed}");
    let clock = SystemClock::new();
    let passed = Passed::tour(backend);
    let campaigns = runs.div_ceil(EACH);
    let (next, kills) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let at = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(campaigns) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= campaigns {
                        return;
                    }
                    let kills_wanted = EACH.min(runs - number * EACH);
                    let campaign = Campaign::new(backend, seed, number);
                    let killed = campaign.run(&passed, kills_wanted);
                    kills.fetch_add(killed.len(), Ordering::SeqCst);
                    at.lock().unwrap().extend(killed);
                }
            });
        }
    });
    let (kills, at) = (kills.into_inner(), at.into_inner().unwrap());
    assert_eq!(kills, runs);
    println!("{backend:?}: {kills} kills at {} places, {:.0?}", at.len(), clock.monotonic());
}

/// Every place of the first use of all, one after the other: each statement of each migration among
/// them. What is no migration is the same on all databases, and so it is done on one.
fn a_first_use_is_finished_by_the_next(backend: Backend) {
    let passed = Passed::of_first_use(backend);
    let mut places = passed.of("first store");
    if backend != Backend::Sqlite {
        places.retain(|(name, _)| name.starts_with("migrate."));
    }
    let statements = places.iter().filter(|(name, _)| *name == "migrate.statement").count();
    assert!(statements > 10, "{statements}");
    for (number, place) in places.into_iter().enumerate() {
        Campaign::new(backend, 0, number).first_use(place);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

fn any_seed() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom.fill(&mut bytes).unwrap();
    // Short enough to be typed.
    u64::from_le_bytes(bytes) % 1_000_000_000
}

/// Campaigns beside each other: they mostly wait for processes.
const AT_ONCE: usize = 3;

macro_rules! on_each_backend {
    ($($module:ident $backend:ident)*) => {
        $(mod $module {
            #[test]
            fn nothing_acknowledged_is_lost() {
                super::nothing_acknowledged_is_lost(super::Backend::$backend);
            }

            #[test]
            fn a_first_use_is_finished_by_the_next() {
                super::a_first_use_is_finished_by_the_next(super::Backend::$backend);
            }
        })*
    };
}

on_each_backend! {
    sqlite Sqlite
    postgres Postgres
    mysql Mysql
}
