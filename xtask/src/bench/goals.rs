//! Every pair there is. `docs/benchmarks.md` says what each of them is.

use std::fmt;

use super::estimate::Pair;

/// A pair of benchmarks, and how much more ours may take than the baseline.
pub(super) struct Goal {
    pub(super) group: &'static str,
    pub(super) program: Program,
    /// The room of the server that it needs.
    pub(super) server: Option<&'static str>,
    pub(super) limit: Limit,
}

/// How much more ours may take.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// So many times the baseline.
    Ratio(f64),
    /// So many microseconds, whatever the baseline takes.
    Added(f64),
}

impl Limit {
    /// What is not a number is never good.
    pub(super) fn is_met(self, pair: Pair) -> bool {
        match self {
            Self::Ratio(most) => pair.ratio() <= most,
            Self::Added(most) => pair.added() <= most * 1e3,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(most) => write!(f, "{most:.2} times"),
            Self::Added(most) => write!(f, "{most:.0} µs added"),
        }
    }
}

/// A program of benchmarks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Core,
    Sqlite,
    Kms,
}

impl Program {
    /// What cargo calls it by, with the features that it needs and no others.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Core => &["--package", "llm-keys", "--bench", "core"],
            Self::Sqlite => &["--package", "llm-keys-diesel", "--bench", "sqlite"],
            Self::Kms => &[
                "--package",
                "llm-keys",
                "--bench",
                "kms",
                "--features",
                "kms-aws,kms-azure,kms-gcp,kms-pkcs11,kms-vault",
            ],
        }
    }
}

const fn ratio(group: &'static str, program: Program, most: f64) -> Goal {
    Goal { group, program, server: None, limit: Limit::Ratio(most) }
}

const fn kms(group: &'static str, server: Option<&'static str>, limit: Limit) -> Goal {
    Goal { group, program: Program::Kms, server, limit }
}

pub(super) const GOALS: &[Goal] = &[
    ratio("cached_get", Program::Core, 3.0),
    ratio("seal", Program::Core, 2.0),
    ratio("open", Program::Core, 2.0),
    ratio("cold_get", Program::Sqlite, 1.3),
    ratio("point_get_million", Program::Sqlite, 1.2),
    ratio("page_million", Program::Sqlite, 1.2),
    kms("cold_get_aws", Some("LocalStack"), Limit::Ratio(1.15)),
    kms("cold_get_vault", Some("OpenBao"), Limit::Ratio(1.15)),
    kms("cold_get_pkcs11", Some("SoftHSM"), Limit::Added(100.0)),
    kms("cold_get_gcp_fake", None, Limit::Added(100.0)),
    kms("cold_get_azure_fake", None, Limit::Added(100.0)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_up_to_its_number() {
        let met = |limit: Limit, ours, baseline| limit.is_met(Pair { ours, baseline });
        assert!(met(Limit::Ratio(1.2), 120.0, 100.0));
        assert!(!met(Limit::Ratio(1.2), 121.0, 100.0));
        assert!(met(Limit::Added(1.0), 2000.0, 1000.0));
        assert!(met(Limit::Added(1.0), 500.0, 1000.0));
        assert!(!met(Limit::Added(1.0), 2001.0, 1000.0));
        for limit in [Limit::Ratio(1.2), Limit::Added(1.0)] {
            assert!(!met(limit, f64::NAN, 1.0));
        }
        assert!(!met(Limit::Ratio(1.2), 0.0, 0.0));
    }
}
