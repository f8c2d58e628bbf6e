//! A store from the environment, for three-line use. It finds the same database as the CLI.

use std::ffi::OsString;

use llm_keys::error::{Error, Result};
use llm_keys::home::Home;

use crate::DieselStore;
use crate::url::{ConnectOptions, Target};

impl DieselStore {
    /// The store that the environment names, with its tables up to date, as the CLI uses it:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `LLM_KEYS_DATABASE_URL` | the database, as in [`connect`](Self::connect) |
    /// | `DATABASE_URL` | the same, if the first is not set |
    /// | `LLM_KEYS_HOME` | with neither of them, the folder of the file `keys.db` |
    ///
    /// An empty variable counts as not set. With none of them `keys.db` is in the data folder of
    /// the XDG specification, as [`Home`] says. In the embedded default what is missing is made:
    /// the folders with mode 0700, the file with mode 0600.
    ///
    /// ```no_run
    /// # async fn demo() -> llm_keys::Result<()> {
    /// use llm_keys::{EnvelopeKeyManager, KeyId, SecureKeyManager};
    /// use llm_keys_diesel::DieselStore;
    ///
    /// let store = DieselStore::from_env().await?;
    /// let keys = EnvelopeKeyManager::from_env(store).await?;
    /// let key = keys.get_api_key(&KeyId::user("alice", "anthropic")?).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if a variable cannot be understood; `Io` if the folders cannot be made; as
    /// [`open`](Self::open).
    pub async fn from_env() -> Result<Self> {
        let target = match named(|name| std::env::var_os(name))? {
            Some(url) => Target::parse(&url)?,
            None => {
                let home = Home::from_env()?;
                home.create()?;
                in_home(&home)?
            }
        };
        let store = Self::connect_to(&target, ConnectOptions::new()).await?;
        store.migrate().await?;
        Ok(store)
    }
}

/// The URL in the environment, if there is one.
fn named(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<String>> {
    for name in ["LLM_KEYS_DATABASE_URL", "DATABASE_URL"] {
        if let Some(url) = variable(name).filter(|url| !url.is_empty()) {
            // The error never repeats the value: it may hold a password.
            let url = url.into_string();
            return url.map(Some).map_err(|_| Error::invalid(OP, format!("{name} is not UTF-8")));
        }
    }
    Ok(None)
}

/// The file of the embedded default. Not as a URL, in which a `?` would mean something.
fn in_home(home: &Home) -> Result<Target> {
    let path = home.database().into_os_string().into_string();
    let path = path.map_err(|_| Error::invalid(OP, "the path of the home folder is not UTF-8"))?;
    Ok(Target::SqliteFile { path, read_only: false })
}

const OP: &str = "store.from_env";

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn ours_comes_first_and_empty_is_unset() {
        let with = |ours: &'static str, common: &'static str| {
            named(move |name| match name {
                "LLM_KEYS_DATABASE_URL" => Some(ours.into()),
                "DATABASE_URL" => Some(common.into()),
                _ => None,
            })
            .unwrap()
        };
        assert_eq!(with("a.db", "b.db").as_deref(), Some("a.db"));
        assert_eq!(with("", "b.db").as_deref(), Some("b.db"));
        assert_eq!(with("", ""), None);
        assert_eq!(named(|_| None).unwrap(), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_and_not_repeated() {
        let error = named(|_| Some(OsString::from_vec(b"hunter2\xff".to_vec()))).unwrap_err();
        assert_eq!(error.kind().code(), "invalid_input");
        assert!(!format!("{error:?}").contains("hunter2"));
        let home = Home::under(OsString::from_vec(b"/\xff".to_vec()));
        assert_eq!(in_home(&home).unwrap_err().kind().code(), "invalid_input");
    }

    #[test]
    fn a_home_is_a_path_and_no_url() {
        let target = in_home(&Home::under("/a?mode=ro")).unwrap();
        let path = "/a?mode=ro/keys.db".to_owned();
        assert_eq!(target, Target::SqliteFile { path, read_only: false });
    }
}
