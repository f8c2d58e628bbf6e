//! The master keys of this machine: where they are, and making one where none was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llm_keys::error::KmsFault;
use llm_keys::kms::local::{self, PassphraseCost};
use llm_keys::kms::{FromUri, KmsProvider, KmsSet, from_uri};
use llm_keys::manager::first_use;
use llm_keys::{Error, ErrorKind, SystemRandom};
use llm_keys_diesel::DieselStore;

use super::{Connect, Passphrases, was_written};
use crate::failure::{Failure, Result};
use crate::settings::Settings;

/// Where a KMS key is, as far as this machine can make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum MasterKeyPlace {
    /// A master key file.
    File(PathBuf),
    /// The parameter file of a passphrase.
    Passphrase(PathBuf),
    /// Another KMS; this is its text in the settings.
    Elsewhere(String),
}

/// A master key, and whether it was made just now.
#[derive(Debug)]
pub(crate) struct Made {
    /// Which.
    pub(crate) place: MasterKeyPlace,
    /// Whether it was missing before.
    pub(crate) fresh: bool,
}

impl MasterKeyPlace {
    pub(crate) fn of(text: &str, settings: &Settings) -> Self {
        match text.split_once(':') {
            None if text == "local" => Self::File(settings.home.master_key()),
            // What a relative path means would depend on the working directory: the engine says no.
            Some(("local", path)) if path.starts_with('/') => Self::File(path.into()),
            Some(("local-passphrase", path)) if path.starts_with('/') => {
                Self::Passphrase(path.into())
            }
            _ => Self::Elsewhere(text.to_owned()),
        }
    }

    /// The KMS keys of these settings.
    pub(crate) fn all(settings: &Settings) -> Vec<Self> {
        if settings.kms.is_empty() {
            return vec![Self::default_of(settings)];
        }
        settings.kms.iter().map(|text| Self::of(text, settings)).collect()
    }

    /// The KMS keys of these settings that only read.
    pub(crate) fn all_reading(settings: &Settings) -> Vec<Self> {
        settings.kms_read.iter().map(|text| Self::of(text, settings)).collect()
    }

    /// The master key file, unless there is none and `init --passphrase` was run.
    fn default_of(settings: &Settings) -> Self {
        let (file, passphrase) = (settings.home.master_key(), settings.home.passphrase_file());
        if !exists(&file) && exists(&passphrase) {
            Self::Passphrase(passphrase)
        } else {
            Self::File(file)
        }
    }

    /// Its file, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Passphrase(path) => Some(path),
            Self::Elsewhere(_) => None,
        }
    }

    /// How the engine calls it.
    fn text(&self) -> Result<String> {
        let (scheme, path) = match self {
            Self::File(path) => ("local", path),
            Self::Passphrase(path) => ("local-passphrase", path),
            Self::Elsewhere(text) => return Ok(text.clone()),
        };
        let path = path
            .to_str()
            .ok_or_else(|| Failure::usage("the path of the master key is not UTF-8 text"))?;
        Ok(format!("{scheme}:{path}"))
    }
}

impl Connect<'_> {
    /// Whether every KMS key of the settings is a master key file that is there.
    pub(super) fn master_keys_are_files(&self) -> bool {
        let all = MasterKeyPlace::all(self.settings).into_iter();
        all.chain(MasterKeyPlace::all_reading(self.settings))
            .all(|place| matches!(&place, MasterKeyPlace::File(path) if exists(path)))
    }

    /// All KMS keys of the settings.
    ///
    /// # Errors
    /// `Kms` if one cannot be used; if a master key is missing, with how to restore it.
    pub(crate) async fn kms(&self) -> Result<KmsSet> {
        let write = self.texts(MasterKeyPlace::all(self.settings))?;
        let read = self.texts(MasterKeyPlace::all_reading(self.settings))?;
        let passphrases = self.passphrases();
        let ask = move |path: &Path| passphrases.known(path);
        let options = FromUri::new(&self.settings.home).with_passphrase(&ask);
        let kms = KmsSet::from_uris(&write, &read, &options).await?;
        Ok(match self.settings.kms_quorum {
            Some(copies) => kms.quorum(copies)?,
            None => kms,
        })
    }

    /// The KMS keys of a rewrap: to write under all of `to`, and to read with `from`; those of the
    /// settings where there is none. All of the first must be there: no quorum counts.
    ///
    /// # Errors
    /// As [`Self::kms`].
    pub(crate) async fn kms_of_rewrap(&self, to: &[String], from: &[String]) -> Result<KmsSet> {
        let places = |texts: &[String]| -> Vec<_> {
            texts.iter().map(|text| MasterKeyPlace::of(text, self.settings)).collect()
        };
        let write = match to {
            [] => MasterKeyPlace::all(self.settings),
            to => places(to),
        };
        let mut read = match from {
            [] => {
                let mut all = MasterKeyPlace::all(self.settings);
                all.extend(MasterKeyPlace::all_reading(self.settings));
                all
            }
            from => places(from),
        };
        read.retain(|place| !write.contains(place));
        let (write, read) = (self.texts(write)?, self.texts(read)?);
        let passphrases = self.passphrases();
        let ask = move |path: &Path| passphrases.known(path);
        let options = FromUri::new(&self.settings.home).with_passphrase(&ask);
        Ok(KmsSet::from_uris(&write, &read, &options).await?)
    }

    /// One KMS key.
    ///
    /// # Errors
    /// As [`Self::kms`].
    pub(crate) async fn kms_key(&self, place: MasterKeyPlace) -> Result<Arc<dyn KmsProvider>> {
        let passphrases = self.passphrases();
        let ask = move |path: &Path| passphrases.known(path);
        let options = FromUri::new(&self.settings.home).with_passphrase(&ask);
        Ok(from_uri(&self.text(&place)?, &options).await?)
    }

    fn texts(&self, places: Vec<MasterKeyPlace>) -> Result<Vec<String>> {
        places.iter().map(|place| self.text(place)).collect()
    }

    /// How the engine calls `place`, which must be there if it is a file.
    fn text(&self, place: &MasterKeyPlace) -> Result<String> {
        match place.path().filter(|path| !exists(path)) {
            Some(path) => Err(missing(path, self.database_is_there()).into()),
            None => place.text(),
        }
    }

    /// Who asks for passphrases.
    pub(crate) fn passphrases(&self) -> Passphrases {
        Passphrases::new(self.settings.passphrase_file.clone())
    }

    /// Whether the embedded default has no master key.
    pub(super) fn default_master_key_is_missing(&self) -> bool {
        let default = MasterKeyPlace::default_of(self.settings);
        self.settings.kms.is_empty() && default.path().is_some_and(|path| !exists(path))
    }

    /// Makes the master key file of the embedded default if it is missing, and says where; nothing
    /// if the settings name KMS keys.
    ///
    /// # Errors
    /// `Kms(KeyMissing)` if something was stored already: a new key could not open it.
    pub(super) async fn make_default_master_key(
        &self,
        store: &DieselStore,
    ) -> Result<Option<PathBuf>> {
        if !self.default_master_key_is_missing() {
            return Ok(None);
        }
        let path = self.settings.home.master_key();
        self.check_unwritten(store, &path).await?;
        let made = first_use(&self.settings.home, store).await?;
        Ok(made.created.then_some(path))
    }

    /// Makes every master key of the settings that is missing, by a passphrase if that is wanted.
    ///
    /// # Errors
    /// As [`Self::make_default_master_key`]; `Usage` if there is a master key file already where a
    /// passphrase is wanted.
    pub(crate) async fn make_master_keys(
        &self,
        passphrase: bool,
        store: &DieselStore,
    ) -> Result<Vec<Made>> {
        let settings = self.settings;
        let mut places = MasterKeyPlace::all(settings);
        if settings.kms.is_empty() {
            settings.home.create()?;
            if passphrase {
                let file = settings.home.master_key();
                if exists(&file) {
                    let file = file.display();
                    return Err(Failure::usage(format!("the master key file {file} is there"))
                        .with_hint("a key that is there cannot be put under a passphrase later"));
                }
                places = vec![MasterKeyPlace::Passphrase(settings.home.passphrase_file())];
            }
        } else if passphrase {
            return Err(Failure::usage("`--passphrase` is for the default master key")
                .with_hint("name it in the settings: `local-passphrase:/path/to/file`"));
        }
        let mut made = Vec::new();
        for place in places {
            let fresh = self.make_master_key(&place, store).await?;
            made.push(Made { place, fresh });
        }
        Ok(made)
    }

    /// Makes the master key of `place` if it is missing, and says whether it was.
    async fn make_master_key(&self, place: &MasterKeyPlace, store: &DieselStore) -> Result<bool> {
        match place {
            MasterKeyPlace::Elsewhere(text) => {
                from_uri(text, &FromUri::new(&self.settings.home)).await?;
                Ok(false)
            }
            MasterKeyPlace::File(path) | MasterKeyPlace::Passphrase(path) if exists(path) => {
                Ok(false)
            }
            MasterKeyPlace::File(path) => {
                self.check_unwritten(store, path).await?;
                Ok(local::create(path, &SystemRandom)?.fresh)
            }
            MasterKeyPlace::Passphrase(path) => {
                self.check_unwritten(store, path).await?;
                let passphrase = self.passphrases().new_one()?;
                let cost = PassphraseCost::default();
                local::create_passphrase(path, &passphrase, cost, &SystemRandom)?;
                Ok(true)
            }
        }
    }

    /// A new key is never made where an old one sealed something: it would only hide that the old
    /// one is gone.
    async fn check_unwritten(&self, store: &DieselStore, path: &Path) -> Result<()> {
        // The key is looked for once more: another process may have made it and stored something
        // since it was missing.
        if was_written(store).await? && !exists(path) {
            return Err(missing(path, true).into());
        }
        Ok(())
    }
}

fn missing(path: &Path, with_database: bool) -> Error {
    let shown = path.display();
    let fault = ErrorKind::Kms(KmsFault::KeyMissing);
    if with_database {
        let detail = format!("the master key {shown} is missing, but the database is there");
        return Error::new(fault, "kms.open", detail).with_hint(
            "put your backup back: `llm-keys kms local restore FILE`; without one the keys in \
             that database are lost",
        );
    }
    Error::new(fault, "kms.open", format!("the master key {shown} is missing")).with_hint(
        "`llm-keys init` makes one, `llm-keys kms local restore FILE` puts a backup back",
    )
}

fn exists(path: &Path) -> bool {
    // What cannot be looked at is an error when it is opened, and not "no key".
    std::fs::exists(path).unwrap_or(true)
}
