//! Fakes: small working parts that a test can steer. Where a real part can run, a fake wraps it.

pub use self::clock::ManualClock;
pub use self::environment::FixedEnvironment;
pub use self::kms::FakeKms;
pub use self::random::{FailingRandom, SeededRandom};
pub use self::script::Script;
pub use self::sink::{FailingSink, RecordingSink};
pub use self::store::FakeStore;

mod clock;
mod environment;
mod kms;
mod random;
mod script;
mod sink;
mod store;
