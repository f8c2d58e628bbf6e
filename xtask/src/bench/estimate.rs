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

    /// The shortest time of each of the two in all rounds: what else runs on the machine only ever
    /// makes a median longer.
    pub(super) fn undisturbed(rounds: &[Self]) -> Self {
        let shortest = |of: fn(&Self) -> Estimate| {
            Estimate(rounds.iter().map(|round| of(round).0).fold(f64::INFINITY, f64::min))
        };
        Self { ours: shortest(|round| round.ours), baseline: shortest(|round| round.baseline) }
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
    fn disturbed_rounds_do_not_count() {
        let rounds = [pair(900.0, 100.0), pair(110.0, 400.0), pair(120.0, 105.0)];
        assert_eq!(Pair::undisturbed(&rounds), pair(110.0, 100.0));
        assert_eq!(Pair::undisturbed(&rounds[..1]), rounds[0]);
    }
}
