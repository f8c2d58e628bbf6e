//! What a token's return codes mean to us.

use std::path::Path;

use cryptoki::context::Function;
use cryptoki::error::{Error as Cryptoki, RvError};

use crate::error::{Error, ErrorKind, KmsFault};

/// What to do about a failed call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Remedy {
    /// Nothing here.
    Report,
    /// The session, the login or the key handle is gone: a fresh one may work.
    Reconnect,
    /// Bad bytes or a broken token: some tokens give one code for both.
    Probe,
}

/// How to go on after `error`.
pub(super) fn remedy(error: &Cryptoki) -> Remedy {
    match error {
        Cryptoki::Pkcs11(
            RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::SlotIdInvalid
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid,
            _,
        ) => Remedy::Reconnect,
        Cryptoki::Pkcs11(
            RvError::GeneralError
            | RvError::FunctionFailed
            | RvError::VendorDefined(_)
            | RvError::UnknownErrorCode(_),
            Function::Decrypt,
        ) => Remedy::Probe,
        _ => Remedy::Report,
    }
}

/// `error` in our words. It holds the names of the function and of the code, which are no secret.
pub(super) fn fault(op: &'static str, error: Cryptoki) -> Error {
    let Cryptoki::Pkcs11(code, function) = error else {
        return Error::new(
            ErrorKind::Kms(KmsFault::BadAnswer),
            op,
            "the PKCS#11 module breaks the rules of its interface",
        )
        .with_source(error);
    };
    let kind = match (code, function) {
        // The tag is part of what is decrypted.
        (
            RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::DataInvalid
            | RvError::DataLenRange
            | RvError::SignatureInvalid,
            Function::Decrypt,
        ) => KmsFault::ContextMismatch,
        (code, _) => kind(code),
    };
    if kind == KmsFault::ContextMismatch {
        return refused(op);
    }
    let answer = Error::new(
        ErrorKind::Kms(kind),
        op,
        format!("the PKCS#11 token answered {code:?} to {function:?}"),
    );
    match hint(code) {
        Some(hint) => answer.with_hint(hint),
        None => answer,
    }
}

/// The same answer for a damaged blob and another context: the token cannot tell them apart.
pub(super) fn refused(op: &'static str) -> Error {
    Error::new(
        ErrorKind::Kms(KmsFault::ContextMismatch),
        op,
        "the wrapped data key is damaged, or was wrapped for another context",
    )
}

/// The library at `path` cannot be used at all.
pub(super) fn no_module(op: &'static str, path: &Path, error: Cryptoki) -> Error {
    let path = path.display();
    Error::new(
        ErrorKind::Kms(KmsFault::Misconfigured),
        op,
        format!("the PKCS#11 module {path} cannot be loaded"),
    )
    .with_source(error)
    .with_hint("`module-path` is the shared library (.so) of the HSM's maker, for this processor")
}

fn kind(code: RvError) -> KmsFault {
    match code {
        RvError::PinIncorrect
        | RvError::PinInvalid
        | RvError::PinLenRange
        | RvError::PinExpired
        | RvError::PinLocked
        | RvError::UserNotLoggedIn
        | RvError::UserPinNotInitialized
        | RvError::UserTypeInvalid
        | RvError::UserAnotherAlreadyLoggedIn
        | RvError::UserTooManyTypes
        | RvError::ActionProhibited
        | RvError::FunctionRejected => KmsFault::Denied,

        RvError::KeyFunctionNotPermitted => KmsFault::KeyDisabled,
        RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid => KmsFault::KeyMissing,
        RvError::SessionCount => KmsFault::Throttled,

        RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::KeySizeRange
        | RvError::KeyTypeInconsistent
        | RvError::FunctionNotSupported => KmsFault::Unsupported,

        RvError::CantLock
        | RvError::NeedToCreateThreads
        | RvError::LibraryLoadFailed
        | RvError::CryptokiNotInitialized => KmsFault::Misconfigured,

        RvError::Cancel
        | RvError::DeviceError
        | RvError::DeviceMemory
        | RvError::DeviceRemoved
        | RvError::FipsSelfTestFailed
        | RvError::FunctionCanceled
        | RvError::FunctionFailed
        | RvError::GeneralError
        | RvError::HostMemory
        | RvError::OperationActive
        | RvError::SessionClosed
        | RvError::SessionHandleInvalid
        | RvError::SlotIdInvalid
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized
        | RvError::VendorDefined(_)
        | RvError::UnknownErrorCode(_) => KmsFault::Unavailable,

        _ => KmsFault::BadAnswer,
    }
}

fn hint(code: RvError) -> Option<&'static str> {
    Some(match code {
        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => {
            "put the token's user PIN in the file that `pin-source` names; it is not tried again \
             until that file changes, because tokens lock after some wrong PINs"
        }
        RvError::PinLocked => "unlock the token with its security officer's PIN",
        RvError::PinExpired => "set a new user PIN on the token, and put it in the PIN file",
        RvError::UserPinNotInitialized => "set the user PIN of the token first",
        RvError::KeyFunctionNotPermitted => "the key needs CKA_ENCRYPT and CKA_DECRYPT",
        RvError::MechanismInvalid | RvError::MechanismParamInvalid | RvError::KeySizeRange => {
            "the token must offer CKM_AES_GCM with AES-256, a 96-bit IV and a 128-bit tag"
        }
        RvError::SessionCount => "the token has no session left: close other programs that use it",
        RvError::CryptokiNotInitialized => {
            "something else in this process ended the module with C_Finalize; start it again"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(code: RvError, function: Function) -> KmsFault {
        match fault("kms.test", Cryptoki::Pkcs11(code, function)).kind() {
            ErrorKind::Kms(fault) => fault,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn codes_become_kinds() {
        use Function::{Decrypt, Encrypt, Login, OpenSession};
        assert_eq!(says(RvError::PinIncorrect, Login), KmsFault::Denied);
        assert_eq!(says(RvError::PinLocked, Login), KmsFault::Denied);
        assert_eq!(says(RvError::DeviceRemoved, Encrypt), KmsFault::Unavailable);
        assert_eq!(says(RvError::TokenNotPresent, OpenSession), KmsFault::Unavailable);
        assert_eq!(says(RvError::SessionCount, OpenSession), KmsFault::Throttled);
        assert_eq!(says(RvError::MechanismInvalid, Encrypt), KmsFault::Unsupported);
        assert_eq!(says(RvError::KeyFunctionNotPermitted, Decrypt), KmsFault::KeyDisabled);
        assert_eq!(says(RvError::EncryptedDataInvalid, Decrypt), KmsFault::ContextMismatch);
        assert_eq!(says(RvError::DataLenRange, Encrypt), KmsFault::BadAnswer);
    }

    #[test]
    fn only_a_refused_decryption_is_looked_at_twice() {
        let of = |code, function| remedy(&Cryptoki::Pkcs11(code, function));
        assert_eq!(of(RvError::GeneralError, Function::Decrypt), Remedy::Probe);
        assert_eq!(of(RvError::GeneralError, Function::Encrypt), Remedy::Report);
        assert_eq!(of(RvError::PinIncorrect, Function::Login), Remedy::Report);
        assert_eq!(of(RvError::SessionHandleInvalid, Function::Decrypt), Remedy::Reconnect);
    }
}
