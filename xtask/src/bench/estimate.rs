//! What criterion wrote down about a pair of benchmarks.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::workspace;

/// How long one call takes: the median, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Estimate(pub(super) f64);

/// The part of criterion's `estimates.json` that we read.
#[derive(Deserialize)]
struct Estimates {
    median: Median,
}

#[derive(Deserialize)]
struct Median {
    point_estimate: f64,
}

impl Estimate {
    /// Where criterion writes about the last run of `function` in the group with this folder.
    pub(super) fn folder(group: &Path, function: &str) -> PathBuf {
        group.join(function).join("new")
    }

    fn read(group: &Path, function: &str) -> Result<Self> {
        let path = Self::folder(group, function).join("estimates.json");
        let estimates: Estimates = serde_json::from_str(&workspace::read(&path)?)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        Ok(Self(estimates.median.point_estimate))
    }
}

/// One round of a pair.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Pair {
    pub(super) ours: Estimate,
    pub(super) baseline: Estimate,
}

impl Pair {
    /// What the two benchmarks of a pair are called.
    pub(super) const FUNCTIONS: [&str; 2] = ["ours", "baseline"];

    pub(super) fn read(group: &Path) -> Result<Self> {
        let [ours, baseline] = Self::FUNCTIONS.map(|function| Estimate::read(group, function));
        Ok(Self { ours: ours?, baseline: baseline? })
    }

    pub(super) fn ratio(self) -> f64 {
        self.ours.0 / self.baseline.0
    }

    /// The round whose ratio is in the middle; there is at least one.
    pub(super) fn in_the_middle(rounds: &[Self]) -> Self {
        let mut rounds = rounds.to_vec();
        rounds.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        rounds[rounds.len() / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ours: f64, baseline: f64) -> Pair {
        Pair { ours: Estimate(ours), baseline: Estimate(baseline) }
    }

    #[test]
    fn the_medians_are_read() {
        let group = tempfile::tempdir().unwrap();
        let put = |function, median: &str| {
            let folder = Estimate::folder(group.path(), function);
            std::fs::create_dir_all(&folder).unwrap();
            let text = format!(
                r#"{{"mean":{{"point_estimate":9.0}},"median":{{"point_estimate":{median},"standard_error":0.1}}}}"#
            );
            std::fs::write(folder.join("estimates.json"), text).unwrap();
        };
        put("ours", "130.5");
        let Err(Failure::Said(message)) = Pair::read(group.path()) else { panic!("half a pair") };
        assert!(message.contains("baseline"), "{message}");
        put("baseline", "100.0");
        assert_eq!(Pair::read(group.path()).unwrap(), pair(130.5, 100.0));
        put("baseline", "\"fast\"");
        assert!(Pair::read(group.path()).is_err());
    }

    #[test]
    fn one_disturbed_round_does_not_count() {
        let rounds = [pair(900.0, 100.0), pair(110.0, 100.0), pair(100.0, 110.0)];
        assert_eq!(Pair::in_the_middle(&rounds), rounds[1]);
        assert_eq!(Pair::in_the_middle(&rounds[..1]), rounds[0]);
    }
}
