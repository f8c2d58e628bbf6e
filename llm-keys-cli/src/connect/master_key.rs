//! The master keys of this machine: where they are, and making one where none was.

use std::path::{Path, PathBuf};

use llm_keys::error::KmsFault;
use llm_keys::kms::local::{self, PassphraseCost};
use llm_keys::kms::{FromUri, KmsSet};
use llm_keys::{Error, ErrorKind, SystemRandom};

use super::{Connect, Passphrases};
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
    fn of(text: &str, settings: &Settings) -> Self {
        match text.split_once(':') {
            None if text == "local" => Self::File(settings.home.master_key()),
            Some(("local", path)) => Self::File(path.into()),
            Some(("local-passphrase", path)) => Self::Passphrase(path.into()),
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

    /// The master key file, unless there is none and `init --passphrase` was run.
    fn default_of(settings: &Settings) -> Self {
        let (file, passphrase) = (settings.home.master_key(), passphrase_path(settings));
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
    /// All KMS keys of the settings.
    ///
    /// # Errors
    /// `Kms` if one cannot be used; if a master key is missing, with how to restore it.
    pub(crate) async fn kms(&self) -> Result<KmsSet> {
        let mut texts = Vec::new();
        for place in MasterKeyPlace::all(self.settings) {
            if let Some(path) = place.path().filter(|path| !exists(path)) {
                return Err(missing(path, self.database_is_there()).into());
            }
            texts.push(place.text()?);
        }
        let passphrases = self.passphrases();
        let ask = move |path: &Path| passphrases.known(path);
        let options = FromUri::new(&self.settings.home).with_passphrase(&ask);
        Ok(KmsSet::from_uris(&texts, &[], &options).await?)
    }

    /// Who asks for passphrases.
    pub(crate) fn passphrases(&self) -> Passphrases {
        Passphrases::new(self.settings.passphrase_file.clone())
    }

    /// Makes the master key file of the embedded default if it is missing, and says where; nothing
    /// if the settings name KMS keys.
    ///
    /// # Errors
    /// `Kms(KeyMissing)` if the database is there: a new key could open nothing in it.
    pub(super) fn make_default_master_key(
        &self,
        database_was_there: bool,
    ) -> Result<Option<PathBuf>> {
        if !self.settings.kms.is_empty() {
            return Ok(None);
        }
        let MasterKeyPlace::File(path) = MasterKeyPlace::default_of(self.settings) else {
            return Ok(None);
        };
        if exists(&path) {
            return Ok(None);
        }
        if database_was_there && self.settings.database_file().is_some() {
            return Err(missing(&path, true).into());
        }
        self.settings.home.create()?;
        let created = local::create(&path, &SystemRandom)?;
        Ok(created.fresh.then_some(path))
    }

    /// Makes every master key of the settings that is missing, by a passphrase if that is wanted.
    ///
    /// # Errors
    /// As [`Self::make_default_master_key`]; `Usage` if there is a master key file already where a
    /// passphrase is wanted.
    pub(crate) fn make_master_keys(
        &self,
        passphrase: bool,
        database_was_there: bool,
    ) -> Result<Vec<Made>> {
        let mut places = MasterKeyPlace::all(self.settings);
        if passphrase && self.settings.kms.is_empty() {
            if let Some(MasterKeyPlace::File(file)) = places.first()
                && exists(file)
            {
                let file = file.display();
                return Err(Failure::usage(format!("there is a master key file already: {file}"))
                    .with_hint("a key that is there cannot be put under a passphrase later"));
            }
            places = vec![MasterKeyPlace::Passphrase(passphrase_path(self.settings))];
        }
        let mut made = Vec::new();
        for place in places {
            let there = place.path().is_none_or(exists);
            if !there && database_was_there && self.settings.database_file().is_some() {
                return Err(missing(place.path().unwrap_or(Path::new("")), true).into());
            }
            if self.settings.kms.is_empty() {
                self.settings.home.create()?;
            }
            let fresh = match &place {
                _ if there => false,
                MasterKeyPlace::File(path) => local::create(path, &SystemRandom)?.fresh,
                MasterKeyPlace::Passphrase(path) => {
                    let passphrase = self.passphrases().new_one()?;
                    let cost = PassphraseCost::default();
                    local::create_passphrase(path, &passphrase, cost, &SystemRandom)?;
                    true
                }
                MasterKeyPlace::Elsewhere(_) => false,
            };
            made.push(Made { place, fresh });
        }
        Ok(made)
    }
}

/// A new key is never made where an old one sealed something: it would only hide that it is gone.
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

/// The parameter file that `init --passphrase` makes.
fn passphrase_path(settings: &Settings) -> PathBuf {
    settings.home.master_key().with_extension("passphrase")
}

fn exists(path: &Path) -> bool {
    // What cannot be looked at is an error when it is opened, and not "no key".
    std::fs::exists(path).unwrap_or(true)
}
