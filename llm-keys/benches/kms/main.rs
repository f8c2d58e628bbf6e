//! What we add to a call of a KMS: reading a key that is not cached, and the bare call that
//! unwraps its data key. `cargo xtask bench` starts the servers and prints the results;
//! `docs/benchmarks.md` records them.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and may panic"
)]

use std::process::ExitCode;

use criterion::Criterion;

mod aws;
mod azure;
mod bed;
mod gcp;
mod pair;
mod soft_hsm;
mod vault;

fn main() -> ExitCode {
    // SoftHSM finds its tokens by a variable of the process, so this is started again with it.
    if let Some(code) = soft_hsm::start_again() {
        return code;
    }
    let mut criterion = Criterion::default().configure_from_args();
    aws::cold_get(&mut criterion);
    vault::cold_get(&mut criterion);
    soft_hsm::cold_get(&mut criterion);
    gcp::cold_get(&mut criterion);
    azure::cold_get(&mut criterion);
    criterion.final_summary();
    ExitCode::SUCCESS
}

/// Where a server is; `cargo xtask bench` starts them.
fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask bench`, which sets it"))
}
