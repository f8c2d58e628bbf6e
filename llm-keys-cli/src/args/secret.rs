//! Where the key to store comes from.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use zeroize::Zeroizing;

/// At most one of these; the terminal or standard input otherwise.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct KeySourceArgs {
    /// Take the key from this environment variable.
    #[arg(long, value_name = "VAR")]
    pub(crate) from_env: Option<String>,
    /// Take the key from this file.
    #[arg(long, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,
    /// The key itself. Other users of this machine can see it while the command runs, and it stays
    /// in the history of your shell: better pipe it in.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) key: Option<ArgumentKey>,
}

/// A key that was written on the command line. `clap` needs `Clone`; each copy is wiped.
#[derive(Clone)]
pub(crate) struct ArgumentKey(pub(crate) Zeroizing<String>);

impl FromStr for ArgumentKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for ArgumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}
