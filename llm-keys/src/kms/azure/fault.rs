//! What an error of the Azure SDK means to us.

use azure_core::error::ErrorKind as AzureKind;
use azure_core::http::{RawResponse, StatusCode};
use serde::Deserialize;

use crate::error::{Error, ErrorKind, KmsFault};

/// Which call failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    /// The key was looked up.
    Get,
    /// A data key was wrapped.
    Wrap,
    /// A data key was unwrapped.
    Unwrap,
}

impl Call {
    /// The operation, as errors name it.
    pub(super) fn op(self) -> &'static str {
        match self {
            Self::Get => "kms.open",
            Self::Wrap => "kms.wrap_key",
            Self::Unwrap => "kms.unwrap_key",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Self::Get => "keys/read (access policy: get)",
            Self::Wrap => "keys/wrap/action (access policy: wrapKey)",
            Self::Unwrap => "keys/unwrap/action (access policy: unwrapKey)",
        }
    }
}

/// Our error for what the SDK says. Its error is not kept as the cause, because it holds the
/// answer's bytes; of these only the error codes are taken over.
pub(super) fn of(call: Call, error: &azure_core::Error) -> Error {
    match error.kind() {
        AzureKind::HttpResponse { status, raw_response, .. } => {
            let codes = raw_response.as_deref().map(Codes::of).unwrap_or_default();
            of_status(call, u16::from(*status), &codes)
        }
        AzureKind::Connection | AzureKind::Io => {
            of_kind(call, KmsFault::Unavailable, "there was no answer from Key Vault")
                .with_hint("check the vault's name, its firewall and the network")
        }
        AzureKind::DataConversion => bad_answer(call, "Key Vault answered what nobody can read"),
        AzureKind::Credential => of_credential(call, error),
        _ => {
            let detail = "the answer was refused: it wants a token for another service";
            of_kind(call, KmsFault::BadAnswer, detail)
        }
    }
}

/// An answer that breaks Key Vault's own rules.
pub(super) fn bad_answer(call: Call, detail: &'static str) -> Error {
    of_kind(call, KmsFault::BadAnswer, detail)
}

fn of_status(call: Call, status: u16, codes: &Codes) -> Error {
    let said = |what: &str| format!("{what} ({status} {codes})");
    let make = |fault, what: &str| Error::new(ErrorKind::Kms(fault), call.op(), said(what));
    match status {
        401 | 403 | 409 if codes.any(&["KeyDisabled", "KeyExpired", "KeyNotYetValid"]) => {
            make(KmsFault::KeyDisabled, "the key is disabled, expired or not yet valid").with_hint(
                "see `az keyvault key show`; `az keyvault key set-attributes --enabled true` \
                 enables it",
            )
        }
        403 if codes.any(&["ForbiddenByFirewall", "ForbiddenByConnection"]) => {
            make(KmsFault::Denied, "the vault's firewall refused this network").with_hint(
                "allow this network: `az keyvault network-rule add`, or use a private endpoint",
            )
        }
        401 | 403 => {
            let permission = call.permission();
            make(KmsFault::Denied, "Key Vault refused").with_hint(format!(
                "give this identity {permission}: the role `Key Vault Crypto Service Encryption \
                 User` has it (managed HSM: `Managed HSM Crypto Service Encryption User`)"
            ))
        }
        404 => make(KmsFault::KeyMissing, "Key Vault has no such key or version").with_hint(
            "compare `az keyvault key list-versions`; a deleted key is in `az keyvault key \
             list-deleted` and can be recovered",
        ),
        409 => make(KmsFault::KeyDisabled, "the key cannot be used in its present state")
            .with_hint("see `az keyvault key show` and `az keyvault key list-deleted`"),
        400 if call == Call::Unwrap => make(
            KmsFault::ContextMismatch,
            "Key Vault cannot unwrap this: it is damaged, or was wrapped by another key",
        ),
        400 => make(KmsFault::Unsupported, "Key Vault does not do this with this key")
            .with_hint("use an RSA key of 2048 bits or more that may wrapKey and unwrapKey"),
        429 => make(KmsFault::Throttled, "Key Vault has too many requests"),
        408 | 500.. => make(KmsFault::Unavailable, "Key Vault is not able to answer"),
        _ => make(KmsFault::BadAnswer, "Key Vault gave an answer that it never gives"),
    }
}

/// No token: either whoever gives tokens is away, or there is nothing to get one with. That is for
/// our settings to mend: Key Vault was not asked, so it has not denied anything.
fn of_credential(call: Call, error: &azure_core::Error) -> Error {
    let inner = error.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind);
    let away = match inner {
        Some(AzureKind::Connection | AzureKind::Io) => true,
        Some(AzureKind::HttpResponse { status, .. }) => {
            *status == StatusCode::TooManyRequests || status.is_server_error()
        }
        _ => false,
    };
    if away {
        return of_kind(call, KmsFault::Unavailable, "there was no answer from Entra ID")
            .with_hint("check the network, AZURE_AUTHORITY_HOST and AZURE_TOKEN_CREDENTIALS");
    }
    // The text may quote anything; its code is enough to look up.
    let text = error.to_string();
    let code = text.find("AADSTS").map(|at| {
        let code: String = text[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
        code.chars().take(16).collect::<String>()
    });
    let detail = match code {
        Some(code) => format!("Entra ID gave no token ({code})"),
        None => "there is no token: no credential for Azure works here".to_owned(),
    };
    Error::new(ErrorKind::Kms(KmsFault::Misconfigured), call.op(), detail).with_hint(
        "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or \
         AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
    )
}

fn of_kind(call: Call, fault: KmsFault, detail: &'static str) -> Error {
    Error::new(ErrorKind::Kms(fault), call.op(), detail)
}

/// The codes of an error answer, from the outermost inwards.
#[derive(Default, Debug)]
struct Codes(Vec<String>);

impl Codes {
    fn of(answer: &RawResponse) -> Self {
        let mut codes = Vec::new();
        let body: Option<ErrorBody> = serde_json::from_slice(answer.body()).ok();
        let mut next = body.map(|body| body.error);
        while let Some(part) = next.take_if(|_| codes.len() < 4) {
            // Whoever answers chooses this text: only what looks like a code is shown.
            let code = part.code.unwrap_or_default();
            if (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphabetic()) {
                codes.push(code);
            }
            next = part.innererror.map(|inner| *inner);
        }
        Self(codes)
    }

    fn any(&self, wanted: &[&str]) -> bool {
        self.0.iter().any(|code| wanted.contains(&code.as_str()))
    }
}

impl std::fmt::Display for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("without a code"),
            codes => f.write_str(&codes.join("/")),
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorPart,
}

#[derive(Deserialize)]
struct ErrorPart {
    code: Option<String>,
    innererror: Option<Box<ErrorPart>>,
}

#[cfg(test)]
mod tests;
