//! What the environment says, for each shape of a setting.

use std::ffi::OsString;
use std::time::Duration;

use llm_keys::manager::{parse_switch, parse_ttl};

use super::Origin;
use crate::failure::{Failure, Result};

/// The variables of the environment, by their names.
pub(super) struct Said<F>(pub(super) F);

impl<F: Fn(&str) -> Option<OsString>> Said<F> {
    /// The first of these variables that is set and not empty.
    pub(super) fn first<const N: usize>(
        &self,
        names: [&'static str; N],
    ) -> Result<Option<(String, Origin)>> {
        for name in names {
            if let Some(text) = self.text(name)? {
                return Ok(Some((text, Origin::Variable(name))));
            }
        }
        Ok(None)
    }

    /// A list: of options, of a variable with commas, or of the settings file.
    pub(super) fn list(
        &self,
        flags: &[String],
        name: &'static str,
        file: Vec<String>,
    ) -> Result<(Vec<String>, Origin)> {
        if !flags.is_empty() {
            return Ok((flags.to_vec(), Origin::Flag));
        }
        if let Some((items, from)) = self.first([name])? {
            return Ok((items.split(',').map(|item| item.trim().to_owned()).collect(), from));
        }
        let from = if file.is_empty() { Origin::Default } else { Origin::File };
        Ok((file, from))
    }

    /// A number of an option or a variable.
    pub(super) fn count(&self, flag: Option<&str>, name: &'static str) -> Result<Option<usize>> {
        let (text, whose) = match flag {
            Some(text) => (Some(text.to_owned()), "the quorum"),
            None => (self.text(name)?, name),
        };
        let count = text.map(|text| text.trim().parse());
        count
            .transpose()
            .map_err(|_| Failure::usage(format!("{whose} is not a number such as `2`")))
    }

    /// How many of something are kept, at least one: of a variable or of the settings file.
    pub(super) fn kept(&self, name: &'static str, file: Option<u32>) -> Result<Option<u32>> {
        let text = self.text(name)?;
        let count = text.map(|text| text.trim().parse()).transpose().map(|said| said.or(file));
        match count {
            Ok(Some(0)) | Err(_) => {
                Err(Failure::usage(format!("{name} is not a number from 1 on, such as `10`")))
            }
            Ok(count) => Ok(count),
        }
    }

    /// A time of a variable or of the settings file, there under its key.
    pub(super) fn time(
        &self,
        name: &'static str,
        (key, file): (&'static str, Option<String>),
    ) -> Result<Option<Duration>> {
        let (text, whose) = match self.text(name)? {
            Some(text) => (Some(text), name),
            None => (file, key),
        };
        text.map(|text| parse_ttl(&text)).transpose().map_err(|_| {
            Failure::usage(format!("{whose} is not a time such as `3600`, `30m` or `1h`"))
        })
    }

    /// Something that is on or off: off unless said.
    pub(super) fn switch(&self, name: &'static str, file: Option<bool>) -> Result<bool> {
        match self.text(name)? {
            Some(text) => parse_switch(&text)
                .map_err(|_| Failure::usage(format!("{name} is not `true` or `false`"))),
            None => Ok(file.unwrap_or_default()),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<String>> {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        value
            .map(OsString::into_string)
            .transpose()
            .map_err(|_| Failure::usage(format!("the variable {name} is not UTF-8 text")))
    }
}
