//! What criterion wrote down about a pair of benchmarks.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::workspace;

/// What the two benchmarks of a pair are called.
pub(super) const FUNCTIONS: [&str; 2] = ["ours", "baseline"];

/// Where criterion writes about the last run of `function` in the group with this folder.
pub(super) fn folder(group: &Path, function: &str) -> PathBuf {
    group.join(function).join("new")
}

/// How long a call took, in nanoseconds: one number for each sample of each round.
#[derive(Clone, Default, Debug)]
pub(super) struct Samples([Vec<f64>; 2]);

/// Criterion's `sample.json`: each sample is so many calls, which took so many nanoseconds.
#[derive(Deserialize)]
struct Round {
    iters: Vec<f64>,
    times: Vec<f64>,
}

impl Samples {
    /// Adds what criterion wrote into the folder of the group.
    pub(super) fn add_round(&mut self, group: &Path) -> Result {
        for (samples, function) in self.0.iter_mut().zip(FUNCTIONS) {
            let path = folder(group, function).join("sample.json");
            let round: Round = serde_json::from_str(&workspace::read(&path)?).map_err(|error| {
                Failure::new(format!("cannot read {}: {error}", path.display()))
            })?;
            samples.extend(round.times.iter().zip(&round.iters).map(|(time, calls)| time / calls));
        }
        Ok(())
    }

    /// How long a call of ours and one of the baseline take: the medians of all samples.
    pub(super) fn median(&self) -> Pair {
        let [ours, baseline] = self.0.each_ref().map(|samples| {
            let mut samples = samples.clone();
            samples.sort_by(f64::total_cmp);
            samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
        });
        Pair { ours, baseline }
    }
}

/// Two times, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Pair {
    pub(super) ours: f64,
    pub(super) baseline: f64,
}

impl Pair {
    pub(super) fn ratio(self) -> f64 {
        self.ours / self.baseline
    }

    pub(super) fn added(self) -> f64 {
        self.ours - self.baseline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(group: &Path, function: &str, sample: &str) {
        let folder = folder(group, function);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("sample.json"), sample).unwrap();
    }

    #[test]
    fn all_rounds_count_and_the_median_of_them_is_taken() {
        let group = tempfile::tempdir().unwrap();
        let mut samples = Samples::default();
        // 10 ns for each call, then a round in which something else ran.
        for (ours, baseline) in [("20,40,60", "5,10,15"), ("200,4000,600", "9,99,99")] {
            let round = |times| {
                format!(r#"{{"sampling_mode":"Linear","iters":[2,4,6],"times":[{times}]}}"#)
            };
            put(group.path(), "ours", &round(ours));
            put(group.path(), "baseline", &round(baseline));
            samples.add_round(group.path()).unwrap();
        }
        assert_eq!(samples.median(), Pair { ours: 100.0, baseline: 4.5 });
    }

    #[test]
    fn a_missing_or_damaged_half_is_an_error() {
        let group = tempfile::tempdir().unwrap();
        put(group.path(), "ours", r#"{"iters":[1.0],"times":[3.0]}"#);
        let Err(Failure::Said(message)) = Samples::default().add_round(group.path()) else {
            panic!("half a pair")
        };
        assert!(message.contains("baseline"), "{message}");
        put(group.path(), "baseline", r#"{"iters":[1.0],"times":"fast"}"#);
        assert!(Samples::default().add_round(group.path()).is_err());
    }

    #[test]
    fn no_samples_are_no_good_ratio() {
        assert!(Samples::default().median().ratio().is_nan());
    }
}
