//! Trouble between us and a KMS: the rules KM1 to KM8 of the threat model, each in a file of its own.
//!
//! Every test runs on every backend that its rule touches. A real server, or a fake that its maker's
//! own client judges, stands behind the fault proxy; the backend stands inside the guard, and the
//! guard inside a manager. `docs/reference/kms-faults.md` has the table.

/// Makes a test of each function for each backend. A function takes the [`Server`](server::Server).
macro_rules! every_backend {
    ($($test:ident),+ $(,)?) => {
        every_backend!(aws: $($test),+);
        every_backend!(azure: $($test),+);
        every_backend!(gcp: $($test),+);
        every_backend!(vault: $($test),+);
    };
    ($backend:ident: $($test:ident),+) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(crate::kms_trouble::server::$backend::start().await).await;
                }
            )+
        }
    };
}

mod bed;
mod broken_answers;
mod credentials;
mod damage;
mod denials;
mod foreign_keys;
mod other_answers;
mod outage;
mod page;
mod server;
mod throttling;
