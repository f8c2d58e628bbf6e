//! SoftHSM: a hardware security module in software, behind PKCS#11. It is a library, so each test
//! makes its own token; here it is only looked for.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};

use super::Started;
use super::place::Place;

pub(super) const VARIABLE: &str = "LLM_KEYS_TEST_PKCS11_MODULE";

const UTIL: &str = "LLM_KEYS_TEST_SOFTHSM2_UTIL";

pub(super) fn find(_place: &Place) -> Result<Started> {
    let module = MODULES.iter().map(Path::new).find(|module| module.exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).map(|folder| folder.join("softhsm2-util"));
    match (module, programs.into_iter().find(|program| program.is_file())) {
        (Some(module), Some(util)) => Ok(found(module, util)),
        _ => Err(Failure::new(format!(
            "SoftHSM 2 is not installed: on Debian `apt-get install softhsm2`; if it is in another \
             place, set {VARIABLE} to its library and {UTIL} to its softhsm2-util"
        ))),
    }
}

fn found(module: &Path, util: PathBuf) -> Started {
    Started { server: None, variables: vec![(VARIABLE, module.into()), (UTIL, util.into())] }
}

/// Where Debian, Fedora, source builds and Homebrew put it.
const MODULES: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];
