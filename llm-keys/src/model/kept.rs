//! Which versions of a key are kept, and when each was last written.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::version::Version;
use crate::error::{Error, Result};

/// The versions of a key that still have an envelope, each with the generation of the key row at
/// which its own row was last written. It stands in the key row, under that row's MAC: so a version
/// row that was put back from yesterday does not fit the key row of today, nor the other way round.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Kept(BTreeMap<Version, u64>);

impl Kept {
    /// The generation at which the row of `version` was last written; `None` if it is not kept.
    pub fn generation_of(&self, version: Version) -> Option<u64> {
        self.0.get(&version).copied()
    }

    /// Notes that the row of `version` is written at `generation`.
    pub fn set(&mut self, version: Version, generation: u64) {
        self.0.insert(version, generation);
    }

    /// Notes that the envelope of `version` is gone.
    pub fn remove(&mut self, version: Version) {
        self.0.remove(&version);
    }

    /// The versions, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = Version> {
        self.0.keys().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text of the column: `1:3,2:5`, versions rising; empty if there is none.
impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (version, generation)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{version}:{generation}")?;
        }
        Ok(())
    }
}

impl FromStr for Kept {
    type Err = Error;

    /// Reads the one text that [`Display`](fmt::Display) writes, and no other.
    fn from_str(text: &str) -> Result<Self> {
        let mut kept = Self::default();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (version, generation) = part.split_once(':').ok_or_else(unreadable)?;
            let version = version.parse().map_err(|_| unreadable())?;
            let generation = generation.parse().map_err(|_| unreadable())?;
            kept.0.insert(version, generation);
        }
        if kept.to_string() != text {
            return Err(unreadable());
        }
        Ok(kept)
    }
}

fn unreadable() -> Error {
    Error::invalid("model.parse", "this is no list of kept versions")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    #[test]
    fn the_text_is_read_back() {
        let mut kept = Kept::default();
        assert!(kept.is_empty());
        assert_eq!(kept.to_string(), "");
        assert_eq!("".parse::<Kept>().unwrap(), kept);
        kept.set(version(10), 12);
        kept.set(version(2), 3);
        kept.set(version(2), 4);
        assert_eq!(kept.to_string(), "2:4,10:12");
        assert_eq!("2:4,10:12".parse::<Kept>().unwrap(), kept);
        assert_eq!(kept.generation_of(version(2)), Some(4));
        assert_eq!(kept.generation_of(version(3)), None);
        kept.remove(version(2));
        assert_eq!(kept.versions().collect::<Vec<_>>(), [version(10)]);
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn there_is_one_spelling() {
        for bad in
            ["1", "1:", ":1", "0:1", "1:1,", "2:1,1:1", "1:1,1:2", "01:1", "1:+1", "1:-1", " 1:1"]
        {
            assert!(bad.parse::<Kept>().is_err(), "{bad:?}");
        }
    }
}
