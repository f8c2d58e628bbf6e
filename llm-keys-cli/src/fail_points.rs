//! Places where a test kills the process, to see what a crash leaves behind: with the feature
//! `fail-points` they are those of the crate `fail`, without it they are nothing at all.

/// A place of this name; all of them are in `docs/reference/fail-points.md`.
#[cfg(feature = "fail-points")]
macro_rules! fail_point {
    ($name:literal) => {
        ::fail::fail_point!($name)
    };
}

#[cfg(not(feature = "fail-points"))]
macro_rules! fail_point {
    ($name:literal) => {};
}

/// Arms what the environment says:
///
/// | variable | means |
/// |---|---|
/// | `FAILPOINTS` | as the crate `fail` reads it |
/// | `LLM_KEYS_KILL_AT=NAME@N` | this process kills itself, as `kill -9` does, when it comes to that place for the `N`th time |
/// | `LLM_KEYS_POINTS=FILE:NAME,NAME…` | each of these places that it comes to is a line of that file |
#[cfg(feature = "fail-points")]
#[expect(clippy::expect_used, reason = "a test that says nothing sensible must not seem to pass")]
pub(crate) fn arm() -> fail::FailScenario<'static> {
    use std::io::Write as _;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    let scenario = fail::FailScenario::setup();
    if let Ok(watch) = std::env::var("LLM_KEYS_POINTS") {
        let (file, names) = watch.split_once(':').expect("FILE:NAMES");
        let file = std::fs::File::create(file).expect("a file that can be made");
        let file = std::sync::Arc::new(Mutex::new(file));
        for name in names.split(',') {
            let (line, file) = (format!("{name}\n"), std::sync::Arc::clone(&file));
            let write = move || {
                let mut file = file.lock().expect("nobody panics with it");
                file.write_all(line.as_bytes()).expect("a file that can be written");
            };
            fail::cfg_callback(name, write).expect("a place may be armed");
        }
    }
    if let Ok(place) = std::env::var("LLM_KEYS_KILL_AT") {
        let (name, wanted) = place.split_once('@').expect("NAME@N");
        let wanted: u32 = wanted.parse().expect("a number after the @");
        let come = AtomicU32::new(0);
        let kill = move || {
            if come.fetch_add(1, Ordering::SeqCst) + 1 == wanted {
                kill_process(getpid(), Signal::KILL).expect("nothing keeps a process from this");
            }
        };
        fail::cfg_callback(name, kill).expect("a place may be armed");
    }
    scenario
}
