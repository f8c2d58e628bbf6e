//! Times and durations as people write them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};
use llm_keys::Micros;
use llm_keys::model::Days;

use crate::failure::{Failure, Result};

/// The moment of `--expires`: a duration from `now` on, or a moment; in the future.
///
/// # Errors
/// `Usage` if it is neither, or past.
pub(crate) fn expiry(text: &str, now: Micros) -> Result<Micros> {
    let at = match text.parse::<Timestamp>() {
        Ok(at) => Micros(at.as_microsecond()),
        Err(_) => now.saturating_add(duration(text)?),
    };
    if at <= now {
        return Err(Failure::usage("the expiry is not in the future"));
    }
    Ok(at)
}

/// A duration such as `30m`, `1h` or `90d`; a day has 24 hours.
///
/// # Errors
/// `Usage` if it is none, or negative, or in months or years, which differ in length.
pub(crate) fn duration(text: &str) -> Result<Duration> {
    let span: Span = text.parse().map_err(|_| bad())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    Duration::try_from(length).map_err(|_| bad())
}

/// The same, where `0` will do as well.
///
/// # Errors
/// As [`duration`].
pub(crate) fn duration_or_zero(text: &str) -> Result<Duration> {
    if text == "0" { Ok(Duration::ZERO) } else { duration(text) }
}

/// Whole days, such as `90d` or `12w`; `0` for none.
///
/// # Errors
/// `Usage` if it is something else.
pub(crate) fn days(text: &str) -> Result<Days> {
    let seconds = duration_or_zero(text)?.as_secs();
    if seconds % DAY != 0 {
        return Err(Failure::usage("a rotation rule is in whole days, such as `90d`"));
    }
    u32::try_from(seconds / DAY).map(Days).map_err(|_| bad())
}

const DAY: u64 = 24 * 60 * 60;

fn bad() -> Failure {
    Failure::usage("a time is written like `30m`, `36h` or `90d`, and a moment in RFC 3339")
        .with_hint("write months as days: `30d`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("30m", 1800),
            ("1h", HOUR),
            ("90d", 90 * 24 * HOUR),
            ("1w", 7 * 24 * HOUR),
            ("1h 30m", 5400),
            ("45s", 45),
        ] {
            assert_eq!(duration(text).ok(), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "x", "90", "1mo", "1y", "-1h", "1h ago", "sk-ant-1", "٣d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rules_are_whole_days() {
        for (text, count) in [("0", 0), ("0d", 0), ("1d", 1), ("90d", 90), ("2w", 14), ("48h", 2)] {
            assert_eq!(days(text).ok(), Some(Days(count)), "{text}");
        }
        for text in ["", "90", "36h", "1mo", "-1d", "99999999999d"] {
            assert!(days(text).is_err(), "{text}");
        }
        assert_eq!(duration_or_zero("0").ok(), Some(Duration::ZERO));
    }

    #[test]
    fn expiries_are_in_the_future() {
        let now = Micros(1_000_000);
        assert_eq!(expiry("1s", now).ok(), Some(Micros(2_000_000)));
        assert_eq!(expiry("1970-01-01T00:00:03Z", now).ok(), Some(Micros(3_000_000)));
        for text in ["0s", "-1s", "1970-01-01T00:00:01Z", "1970-01-01", "tomorrow"] {
            assert!(expiry(text, now).is_err(), "{text}");
        }
    }
}
