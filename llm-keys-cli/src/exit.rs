//! Exit codes: the one place that says which failure ends with which. They are stable; the table
//! for users is `docs/reference/exit-codes.md`.

use llm_keys::ErrorKind;
use llm_keys::error::KmsFault;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// It worked.
    Ok,
    /// Another failure: a file, the event sink, a bug.
    Other,
    /// Wrong usage or input; nothing was changed.
    Usage,
    /// There is no such key.
    NotFound,
    /// The key is inactive or expired.
    Unusable,
    /// The KMS failed, or the master key is missing or the wrong one.
    Kms,
    /// The database failed.
    Store,
    /// Stored bytes are damaged or moved.
    Integrity,
    /// Somebody else changed the key first.
    Conflict,
    /// `doctor` or `kms check` found something.
    CheckFailed,
    /// `run` did not start the program, for a reason that is not the program's.
    NotStarted,
    /// `run` found the program, but it cannot be executed.
    NotExecutable,
    /// `run` did not find the program.
    NoProgram,
    /// Ctrl-C; a shell says the same of a program that the signal ended.
    Interrupted,
}

impl Exit {
    /// Every way to end but by Ctrl-C, and those of `run`, which uses none of these.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::Ok,
        Self::Other,
        Self::Usage,
        Self::NotFound,
        Self::Unusable,
        Self::Kms,
        Self::Store,
        Self::Integrity,
        Self::Conflict,
        Self::CheckFailed,
    ];

    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unusable => 4,
            Self::Kms => 5,
            Self::Store => 6,
            Self::Integrity => 7,
            Self::Conflict => 8,
            Self::CheckFailed => 9,
            Self::NotStarted => 125,
            Self::NotExecutable => 126,
            Self::NoProgram => 127,
            Self::Interrupted => 130,
        }
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput => Self::Usage,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Inactive | ErrorKind::Expired => Self::Unusable,
            // The local KMS cannot tell a damaged blob from one that was moved.
            ErrorKind::Integrity(_) | ErrorKind::Kms(KmsFault::ContextMismatch) => Self::Integrity,
            ErrorKind::Kms(_) => Self::Kms,
            ErrorKind::Store(_) => Self::Store,
            ErrorKind::EventSink | ErrorKind::Io | ErrorKind::Internal => Self::Other,
            // A kind that is newer than this list; the test below makes us choose.
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code() {
        for kind in ErrorKind::all() {
            let code = kind.code();
            let expected = match code.split_once('_').map_or(code, |(room, _)| room) {
                "invalid" => 2,
                "inactive" | "expired" => 4,
                "kms" if code == "kms_context_mismatch" => 7,
                "kms" => 5,
                "store" => 6,
                "envelope" | "row" => 7,
                "conflict" => 8,
                "event" | "io" | "internal" => 1,
                _ => panic!("{code} has no exit code yet"),
            };
            assert_eq!(Exit::from(kind).code(), expected, "{code}");
        }
    }

    #[test]
    fn codes_are_their_place_in_the_list() {
        let codes: Vec<_> = Exit::ALL.into_iter().map(Exit::code).collect();
        assert_eq!(codes, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn the_page_lists_every_code() {
        let page = include_str!("../../docs/reference/exit-codes.md");
        for exit in Exit::ALL {
            assert!(page.contains(&format!("\n| {} | ", exit.code())), "{exit:?}");
        }
        for kind in ErrorKind::all() {
            let row = format!("\n| {} | ", Exit::from(kind).code());
            let line = page.split(&row).nth(1).and_then(|rest| rest.lines().next());
            let word = format!("`{}`", kind.code());
            assert!(line.is_some_and(|line| line.contains(&word)), "{word} is not in its row");
        }
    }
}
