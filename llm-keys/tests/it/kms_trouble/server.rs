//! The servers behind the proxy, and how each says what is wrong.

use std::sync::Arc;

use async_trait::async_trait;
use llm_keys::kms::KmsProvider;

use crate::fault_proxy::{Fault, FaultProxy};

pub(super) mod aws;
pub(super) mod azure;
pub(super) mod gcp;
pub(super) mod vault;

/// A server with two keys, behind a proxy.
pub(super) struct Server {
    pub(super) proxy: FaultProxy,
    /// What to test: not guarded yet.
    pub(super) kms: Arc<dyn KmsProvider>,
    /// The same with the other key.
    pub(super) other: Arc<dyn KmsProvider>,
    pub(super) words: Words,
    pub(super) admin: Box<dyn Admin>,
}

/// How requests and answers look on the wire.
pub(super) struct Words {
    /// What stands in the head of a request to unwrap, and of no other.
    pub(super) unwrap: &'static str,
    /// What stands in the head of a request for a wrapped data key, and of no other.
    pub(super) wrap: &'static str,
    /// "Too many requests."
    pub(super) throttled: Fault,
    /// A good answer to an unwrap with a data key of so many bytes.
    pub(super) data_key_of: fn(usize) -> Fault,
    /// Good answers in the name of another key: to a wrap, and to an unwrap if that has a name.
    pub(super) wrapped_by_another: Fault,
    pub(super) unwrapped_by_another: Option<Fault>,
    /// Keys of other people, other places and other kinds.
    pub(super) foreign: Vec<String>,
}

/// Who may change the key.
#[async_trait]
pub(super) trait Admin: Send + Sync {
    /// Data keys that were wrapped before cannot be unwrapped any more.
    async fn disable(&self);

    /// The key is deleted, in the way from which there is a return.
    async fn delete(&self);
}
