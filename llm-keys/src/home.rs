//! Where the embedded default keeps its files: the folders of the XDG base directory
//! specification, or one folder named by `LLM_KEYS_HOME`.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::error::{Error, ErrorKind, Result};

/// The folders of the embedded default. Data and configuration are apart, so that a copy of the
/// data folder holds no master key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    data: PathBuf,
    config: PathBuf,
}

impl Home {
    /// Everything under one folder, which need not exist.
    pub fn under(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref().to_owned();
        Self { data: folder.clone(), config: folder }
    }

    /// Under `LLM_KEYS_HOME` if it is set and not empty, else `$XDG_DATA_HOME/llm-keys` and
    /// `$XDG_CONFIG_HOME/llm-keys` with the defaults of the XDG specification.
    ///
    /// # Errors
    /// `InvalidInput` if `LLM_KEYS_HOME` is a relative path; `Io` if there is no home folder.
    pub fn from_env() -> Result<Self> {
        if let Some(folder) = std::env::var_os("LLM_KEYS_HOME").filter(|home| !home.is_empty()) {
            let folder = PathBuf::from(folder);
            if !folder.is_absolute() {
                return Err(Error::invalid("home.find", "LLM_KEYS_HOME is not an absolute path"));
            }
            return Ok(Self::under(folder));
        }
        let base = etcetera::choose_base_strategy().map_err(|error| {
            Error::new(ErrorKind::Io, "home.find", "there is no home folder")
                .with_source(error)
                .with_hint("set LLM_KEYS_HOME to a folder of your own")
        })?;
        let data = base.data_dir().join("llm-keys");
        Ok(Self { data, config: base.config_dir().join("llm-keys") })
    }

    /// The SQLite file: `keys.db` in the data folder.
    pub fn database(&self) -> PathBuf {
        self.data.join("keys.db")
    }

    /// The master key file: `master.key` in the configuration folder.
    pub fn master_key(&self) -> PathBuf {
        self.config.join("master.key")
    }

    /// The parameter file of a passphrase that takes the place of the master key file:
    /// `master.passphrase` in the configuration folder.
    pub fn passphrase_file(&self) -> PathBuf {
        self.config.join("master.passphrase")
    }

    /// The settings of the CLI: `config.toml` in the configuration folder.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// Makes both folders, readable by nobody else, where they are missing.
    ///
    /// # Errors
    /// `Io` if that fails.
    pub fn create(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        for folder in [&self.data, &self.config] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(
                |error| {
                    let folder = folder.display();
                    Error::new(ErrorKind::Io, "home.create", format!("cannot make {folder}"))
                        .with_source(error)
                },
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_config_have_fixed_names() {
        let home = Home::under("/x");
        assert_eq!(home.database(), Path::new("/x/keys.db"));
        assert_eq!(home.master_key(), Path::new("/x/master.key"));
        assert_eq!(home.passphrase_file(), Path::new("/x/master.passphrase"));
        assert_eq!(home.config_file(), Path::new("/x/config.toml"));
    }
}
