//! Who we are for Azure, as its own tools are told: by environment variables.

use std::env;
use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};
use azure_identity::{
    AzureCliCredential, AzureDeveloperCliCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, DeveloperToolsCredential,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::transport::token_options;
use crate::error::{Error, ErrorKind, KmsFault, Result};

/// Which of Azure's ways to get a token is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    ClientSecret,
    WorkloadIdentity,
    ManagedIdentity,
    DeveloperTools,
    AzureCli,
    AzureDeveloperCli,
}

/// The credential that the environment asks for.
///
/// # Errors
/// `Misconfigured`, which names the variable and never its value.
pub(super) fn from_environment() -> Result<Arc<dyn TokenCredential>> {
    let get = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let source = source(&get)?;
    build(source, &get)
}

type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The named one, or the first whose variables are there. Nothing is probed: a call to the address
/// of virtual machines would hang everywhere else.
fn source(get: Get<'_>) -> Result<Source> {
    if let Some(named) = get("AZURE_TOKEN_CREDENTIALS") {
        return match named.to_ascii_lowercase().as_str() {
            "environmentcredential" => Ok(Source::ClientSecret),
            "workloadidentitycredential" => Ok(Source::WorkloadIdentity),
            "managedidentitycredential" => Ok(Source::ManagedIdentity),
            "azureclicredential" => Ok(Source::AzureCli),
            "azuredeveloperclicredential" => Ok(Source::AzureDeveloperCli),
            "dev" => Ok(Source::DeveloperTools),
            "prod" => Ok(by_variables(get).unwrap_or(Source::ManagedIdentity)),
            _ => Err(misconfigured(
                "AZURE_TOKEN_CREDENTIALS names no credential that llm-keys knows",
            )
            .with_hint(
                "use EnvironmentCredential, WorkloadIdentityCredential, \
                     ManagedIdentityCredential, AzureCliCredential, AzureDeveloperCliCredential, \
                     `dev` or `prod`",
            )),
        };
    }
    Ok(by_variables(get).unwrap_or(Source::DeveloperTools))
}

fn by_variables(get: Get<'_>) -> Option<Source> {
    let any = |names: &[&str]| names.iter().any(|name| get(name).is_some());
    if any(&["AZURE_CLIENT_SECRET"]) {
        Some(Source::ClientSecret)
    } else if any(&["AZURE_FEDERATED_TOKEN_FILE"]) {
        Some(Source::WorkloadIdentity)
    } else if any(&["IDENTITY_ENDPOINT", "MSI_ENDPOINT"]) {
        Some(Source::ManagedIdentity)
    } else {
        None
    }
}

fn build(source: Source, get: Get<'_>) -> Result<Arc<dyn TokenCredential>> {
    let need = |name: &'static str| {
        get(name).ok_or_else(|| misconfigured(format!("the variable {name} is not set")))
    };
    let client_options = token_options()?;
    let built: azure_core::Result<Arc<dyn TokenCredential>> = match source {
        Source::ClientSecret => {
            let options = ClientSecretCredentialOptions { client_options };
            let (tenant, client) = (need("AZURE_TENANT_ID")?, need("AZURE_CLIENT_ID")?);
            let secret = Secret::new(need("AZURE_CLIENT_SECRET")?);
            ClientSecretCredential::new(&tenant, client, secret, Some(options)).map(|it| it as _)
        }
        Source::WorkloadIdentity => {
            // The SDK reads the client, the tenant and the token file from their variables.
            let credential_options = ClientAssertionCredentialOptions { client_options };
            let options =
                WorkloadIdentityCredentialOptions { credential_options, ..Default::default() };
            WorkloadIdentityCredential::new(Some(options)).map(|it| it as _)
        }
        Source::ManagedIdentity => {
            let user_assigned_id = get("AZURE_CLIENT_ID").map(UserAssignedId::ClientId);
            let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
            ManagedIdentityCredential::new(Some(options)).map(|it| it as _)
        }
        Source::DeveloperTools => DeveloperToolsCredential::new(None).map(|it| it as _),
        Source::AzureCli => AzureCliCredential::new(None).map(|it| it as _),
        Source::AzureDeveloperCli => AzureDeveloperCliCredential::new(None).map(|it| it as _),
    };
    // What the SDK says may quote a value.
    built.map_err(|_| {
        misconfigured("the settings for a token of Azure are incomplete or have a wrong form")
            .with_hint("check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_AUTHORITY_HOST")
    })
}

fn misconfigured(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Kms(KmsFault::Misconfigured), "kms.open", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<Source> {
        let get = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        source(&get)
    }

    #[test]
    fn the_variables_choose() {
        assert_eq!(chosen(&[]).unwrap(), Source::DeveloperTools);
        let secret = [("AZURE_CLIENT_SECRET", "s"), ("AZURE_FEDERATED_TOKEN_FILE", "f")];
        assert_eq!(chosen(&secret).unwrap(), Source::ClientSecret);
        assert_eq!(chosen(&secret[1..]).unwrap(), Source::WorkloadIdentity);
        assert_eq!(chosen(&[("IDENTITY_ENDPOINT", "x")]).unwrap(), Source::ManagedIdentity);
        let named = |name| chosen(&[("AZURE_TOKEN_CREDENTIALS", name), secret[0]]);
        assert_eq!(named("ManagedIdentityCredential").unwrap(), Source::ManagedIdentity);
        assert_eq!(named("dev").unwrap(), Source::DeveloperTools);
        assert_eq!(named("prod").unwrap(), Source::ClientSecret);
        assert_eq!(
            chosen(&[("AZURE_TOKEN_CREDENTIALS", "prod")]).unwrap(),
            Source::ManagedIdentity
        );
    }

    #[test]
    fn what_is_missing_is_named_and_no_value_is() {
        let only_secret =
            |name: &str| (name == "AZURE_CLIENT_SECRET").then(|| "hunter2".to_owned());
        let error = build(Source::ClientSecret, &only_secret).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured));
        assert!(error.detail().contains("AZURE_TENANT_ID"), "{error:?}");

        let odd = |name: &str| (name != "AZURE_TOKEN_CREDENTIALS").then(|| "hunter2 ?/".to_owned());
        let error = build(Source::ClientSecret, &odd).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");

        let error = chosen(&[("AZURE_TOKEN_CREDENTIALS", "hunter2")]).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
