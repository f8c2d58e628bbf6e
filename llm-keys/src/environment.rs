//! The program's environment, by parameter: libraries do not read it behind the program's back.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use crate::error::Result;
use crate::model::EnvName;
use crate::secret::ApiKey;

/// Where keys in environment variables are read.
pub trait Environment: fmt::Debug + Send + Sync {
    /// The key in the variable `name`; `None` if it is not set or empty.
    ///
    /// # Errors
    /// `InvalidInput` if what is there is no key.
    fn key(&self, name: &EnvName) -> Result<Option<ApiKey>>;
}

/// A shared environment is an environment.
impl<E: Environment + ?Sized> Environment for Arc<E> {
    fn key(&self, name: &EnvName) -> Result<Option<ApiKey>> {
        (**self).key(name)
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Default, Debug)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn key(&self, name: &EnvName) -> Result<Option<ApiKey>> {
        let value = std::env::var_os(name.as_str()).map(OsString::into_vec);
        value.filter(|value| !value.is_empty()).map(ApiKey::new).transpose()
    }
}
