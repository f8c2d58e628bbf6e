//! The libraries that this process has loaded: each once, because a library has one state for the
//! whole process, and so has a token's login.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Cryptoki, RvError};

use super::fault::no_module;
use crate::error::Result;
use crate::secret::SecretBytes;

/// A library that is loaded and initialised, and stays so: to end it would end it for others.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) pkcs11: Pkcs11,
    /// By serial number, the PIN that a token refused. The mutex is also held while a PIN is
    /// tried, so that many callers never try one wrong PIN many times.
    pub(super) refused: Mutex<BTreeMap<String, SecretBytes>>,
}

impl Module {
    /// The library at `path`; loads it the first time. Blocks.
    ///
    /// # Errors
    /// `Kms(Misconfigured)`.
    pub(super) fn load(path: &Path) -> Result<Arc<Self>> {
        const OP: &str = "kms.pkcs11.load";
        // Two names of one file are one library.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut loaded = lock(&LOADED);
        if let Some(module) = loaded.get(&path) {
            return Ok(Arc::clone(module));
        }
        let pkcs11 = Pkcs11::new(&path).map_err(|error| no_module(OP, &path, error))?;
        match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Somebody else in this process uses it, too.
            Ok(()) | Err(Cryptoki::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(no_module(OP, &path, error)),
        }
        let module = Arc::new(Self { pkcs11, refused: Mutex::default() });
        loaded.insert(path, Arc::clone(&module));
        Ok(module)
    }
}

/// What a thread left behind that panicked is whole: nothing here is changed in two steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static LOADED: LazyLock<Mutex<BTreeMap<PathBuf, Arc<Module>>>> = LazyLock::new(Mutex::default);
