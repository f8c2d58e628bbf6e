//! The suites can fail: each rule stops at a backend that breaks it.

mod kms;
mod kms_lab;
mod manager;
mod store;

/// Runs a rule on a thread of its own, and says whether it panicked.
fn panics<F: Future<Output = ()>>(rule: impl FnOnce() -> F + Send + 'static) -> bool {
    let run = move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().unwrap().block_on(rule());
    };
    std::thread::spawn(run).join().is_err()
}
