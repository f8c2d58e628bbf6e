//! The closed lists of what can go wrong, each with a stable code.

use std::fmt;

/// What kind of failure happened. Stable: codes are never reused, new kinds may be added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input is wrong: a name, a size, a missing option. Nothing was changed.
    InvalidInput,
    /// Somebody else changed the same thing first, or it is there already.
    Conflict,
    /// The key is there but was deactivated.
    Inactive,
    /// The key is there but its expiry has passed.
    Expired,
    /// The KMS refused or failed.
    Kms(KmsFault),
    /// The storage refused or failed.
    Store(StoreFault),
    /// Stored bytes do not hold what they must: damaged, or moved from where they belong.
    Integrity(IntegrityFault),
    /// An event could not be recorded, so the operation was not performed.
    EventSink,
    /// A file, the terminal or another part of this machine failed.
    Io,
    /// A bug of ours or a failing random number source.
    Internal,
}

/// How a KMS failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KmsFault {
    /// Our credentials may not do this.
    Denied,
    /// Too many requests.
    Throttled,
    /// No answer, or an answer that says "later".
    Unavailable,
    /// The data key was wrapped under another key than the configured one.
    WrongKey,
    /// The key is there but disabled or waiting to be deleted.
    KeyDisabled,
    /// No such key.
    KeyMissing,
    /// The encryption context is not the one the data key was wrapped with.
    ContextMismatch,
    /// An answer that breaks the KMS's own rules: wrong length, wrong key id, bad checksum.
    BadAnswer,
    /// The KMS cannot do what was asked (size, algorithm).
    Unsupported,
    /// The key file or the settings of the KMS are unusable (mode, size, owner).
    Misconfigured,
}

/// How a storage failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum StoreFault {
    /// No connection, or it broke.
    Unavailable,
    /// Somebody holds a lock for too long.
    Busy,
    /// No space left.
    Full,
    /// The database may only be read.
    ReadOnly,
    /// This is not a database of ours, or it is damaged.
    NotADatabase,
    /// The tables are newer than this program.
    SchemaTooNew,
    /// The tables are older than this program, or missing.
    SchemaTooOld,
    /// We may not open it.
    Denied,
    /// The storage refused a statement for another reason.
    Refused,
}

/// What about stored bytes is wrong. The codes are the classes of `docs/spec/envelope.md`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum IntegrityFault {
    /// The envelope ends too early.
    Truncated,
    /// Bytes follow the end of the envelope.
    Trailing,
    /// The first bytes are not those of an envelope.
    Magic,
    /// An envelope version that this program does not know.
    Version,
    /// An algorithm suite that this program does not know.
    Suite,
    /// A flag that this program does not know.
    Flags,
    /// A content type that this program does not know.
    Content,
    /// No wrapped data key, or more than eight.
    WrappedCount,
    /// A wrapped data key with a key URI that is empty, too long or not canonical.
    WrappedUri,
    /// A wrapped data key whose bytes are empty or too long.
    WrappedBlob,
    /// The same key URI twice.
    WrappedDuplicate,
    /// A ciphertext that is empty or too long.
    CiphertextSize,
    /// The envelope was sealed for another key, owner, service or version.
    Context,
    /// The data key is not the one this envelope was sealed with.
    Commitment,
    /// The header was changed.
    HeaderMac,
    /// The ciphertext was changed.
    Tag,
    /// A row of the storage contradicts itself or another row.
    Row,
}

impl ErrorKind {
    /// Every kind there is, for tables and tests.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self::InvalidInput,
            Self::Conflict,
            Self::Inactive,
            Self::Expired,
            Self::EventSink,
            Self::Io,
            Self::Internal,
        ];
        all.extend(KmsFault::ALL.iter().copied().map(Self::Kms));
        all.extend(StoreFault::ALL.iter().copied().map(Self::Store));
        all.extend(IntegrityFault::ALL.iter().copied().map(Self::Integrity));
        all
    }

    /// The stable code, such as `kms_unavailable`: for logs, metrics and JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Conflict => "conflict",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::Kms(fault) => fault.code(),
            Self::Store(fault) => fault.code(),
            Self::Integrity(fault) => fault.code(),
            Self::EventSink => "event_sink",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Kms(fault) => matches!(fault, KmsFault::Throttled | KmsFault::Unavailable),
            Self::Store(fault) => matches!(fault, StoreFault::Unavailable | StoreFault::Busy),
            Self::Conflict | Self::EventSink => true,
            Self::InvalidInput
            | Self::Inactive
            | Self::Expired
            | Self::Integrity(_)
            | Self::Io
            | Self::Internal => false,
        }
    }
}

impl ErrorKind {
    /// Whether this says something about the key itself, so that what is cached of it is no longer
    /// true; otherwise only the attempt failed.
    pub(crate) fn is_about_the_key(self) -> bool {
        matches!(self, Self::Inactive | Self::Expired | Self::Integrity(_))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Writes the list of all faults and their codes once, so that neither can be forgotten.
macro_rules! codes {
    ($fault:ident { $($variant:ident => $code:literal),* $(,)? }) => {
        impl $fault {
            /// Every fault there is, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code),*
                }
            }
        }

        impl fmt::Display for $fault {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

codes!(KmsFault {
    Denied => "kms_denied",
    Throttled => "kms_throttled",
    Unavailable => "kms_unavailable",
    WrongKey => "kms_wrong_key",
    KeyDisabled => "kms_key_disabled",
    KeyMissing => "kms_key_missing",
    ContextMismatch => "kms_context_mismatch",
    BadAnswer => "kms_bad_answer",
    Unsupported => "kms_unsupported",
    Misconfigured => "kms_misconfigured",
});

codes!(StoreFault {
    Unavailable => "store_unavailable",
    Busy => "store_busy",
    Full => "store_full",
    ReadOnly => "store_read_only",
    NotADatabase => "store_not_a_database",
    SchemaTooNew => "store_schema_too_new",
    SchemaTooOld => "store_schema_too_old",
    Denied => "store_denied",
    Refused => "store_refused",
});

codes!(IntegrityFault {
    Truncated => "envelope_truncated",
    Trailing => "envelope_trailing",
    Magic => "envelope_magic",
    Version => "envelope_version",
    Suite => "envelope_suite",
    Flags => "envelope_flags",
    Content => "envelope_content",
    WrappedCount => "envelope_wrapped_count",
    WrappedUri => "envelope_wrapped_uri",
    WrappedBlob => "envelope_wrapped_blob",
    WrappedDuplicate => "envelope_wrapped_duplicate",
    CiphertextSize => "envelope_ciphertext_size",
    Context => "envelope_context",
    Commitment => "envelope_commitment",
    HeaderMac => "envelope_header_mac",
    Tag => "envelope_tag",
    Row => "row",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_plain() {
        let codes: Vec<_> = ErrorKind::all().into_iter().map(ErrorKind::code).collect();
        let mut unique = codes.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), codes.len());
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn only_passing_trouble_is_retryable() {
        let retryable: Vec<_> = ErrorKind::all()
            .into_iter()
            .filter(|k| k.is_retryable())
            .map(ErrorKind::code)
            .collect();
        assert_eq!(
            retryable,
            [
                "conflict",
                "event_sink",
                "kms_throttled",
                "kms_unavailable",
                "store_unavailable",
                "store_busy"
            ]
        );
    }
}
