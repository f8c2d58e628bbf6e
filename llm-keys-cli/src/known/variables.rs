//! Environment variables, by the service whose key they hold.

/// A variable that programs read a key from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Variable {
    name: &'static str,
    service: &'static str,
    /// Whether `run` sets it. Of several that mean the same it sets each that a client of the
    /// service prefers to another: the user's own value of that one would win over ours.
    set: bool,
}

/// What a variable is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// It holds the key of this service; the text is the name of the key, `default` if `None`.
    Key(&'static str, Option<String>),
    /// It is one part of this service's credential, and no key by itself.
    Part(&'static str),
}

/// What the variable `name` is for; `None` if it is not known.
///
/// `OPENAI_API_KEY_PROD` is the key of OpenAI with the name `prod`.
pub(crate) fn meaning_of(name: &str) -> Option<Meaning> {
    if let Some((_, service)) = PARTS.iter().find(|(part, _)| *part == name) {
        return Some(Meaning::Part(service));
    }
    if let Some(known) = KEYS.iter().find(|known| known.name == name) {
        return Some(Meaning::Key(known.service, None));
    }
    // The longest first: one may begin with another.
    let known = KEYS
        .iter()
        .filter_map(|known| Some((known, name.strip_prefix(known.name)?.strip_prefix('_')?)))
        .filter(|(_, rest)| !rest.is_empty())
        .max_by_key(|(known, _)| known.name.len());
    known.map(|(known, rest)| Meaning::Key(known.service, Some(rest.to_ascii_lowercase())))
}

/// The variables that `run` sets for a key of `service`; none if it is not known.
pub(crate) fn set_for(service: &str) -> Vec<&'static str> {
    let set = KEYS.iter().filter(|known| known.set && known.service == service);
    set.map(|known| known.name).collect()
}

const fn set(name: &'static str, service: &'static str) -> Variable {
    Variable { name, service, set: true }
}

const fn read(name: &'static str, service: &'static str) -> Variable {
    Variable { name, service, set: false }
}

const KEYS: &[Variable] = &[
    set("ANTHROPIC_API_KEY", "anthropic"),
    read("CLAUDE_API_KEY", "anthropic"),
    set("ANTHROPIC_ADMIN_API_KEY", "anthropic-admin"),
    read("ANTHROPIC_ADMIN_KEY", "anthropic-admin"),
    // Sent as a bearer token, and not as a key.
    set("ANTHROPIC_AUTH_TOKEN", "anthropic-token"),
    set("OPENAI_API_KEY", "openai"),
    set("OPENAI_ADMIN_KEY", "openai-admin"),
    // Google's client prefers the first.
    set("GOOGLE_API_KEY", "gemini"),
    set("GEMINI_API_KEY", "gemini"),
    set("AZURE_OPENAI_API_KEY", "azure-openai"),
    set("AWS_BEARER_TOKEN_BEDROCK", "bedrock"),
    set("MISTRAL_API_KEY", "mistral"),
    set("GROQ_API_KEY", "groq"),
    set("OPENROUTER_API_KEY", "openrouter"),
    set("DEEPSEEK_API_KEY", "deepseek"),
    set("XAI_API_KEY", "xai"),
    set("CO_API_KEY", "cohere"),
    read("COHERE_API_KEY", "cohere"),
    set("TOGETHER_API_KEY", "together"),
    set("FIREWORKS_API_KEY", "fireworks"),
    set("PERPLEXITY_API_KEY", "perplexity"),
    read("PPLX_API_KEY", "perplexity"),
    set("REPLICATE_API_TOKEN", "replicate"),
    set("ELEVENLABS_API_KEY", "elevenlabs"),
    read("ELEVEN_API_KEY", "elevenlabs"),
    set("HF_TOKEN", "huggingface"),
    read("HUGGING_FACE_HUB_TOKEN", "huggingface"),
    read("HUGGINGFACE_API_KEY", "huggingface"),
    set("LANGSMITH_API_KEY", "langsmith"),
    set("LANGCHAIN_API_KEY", "langsmith"),
    set("DATABRICKS_TOKEN", "databricks"),
    // The program `gh` prefers the first, everything else knows the second.
    set("GH_TOKEN", "github"),
    set("GITHUB_TOKEN", "github"),
    read("GITHUB_PAT", "github"),
    set("GITLAB_TOKEN", "gitlab"),
    set("LINEAR_API_KEY", "linear"),
    set("GRAFANA_SERVICE_ACCOUNT_TOKEN", "grafana"),
    read("GRAFANA_API_KEY", "grafana"),
    read("GRAFANA_TOKEN", "grafana"),
    set("VAULT_TOKEN", "vault"),
    set("SLACK_BOT_TOKEN", "slack"),
    set("STRIPE_API_KEY", "stripe"),
    read("STRIPE_SECRET_KEY", "stripe"),
];

const PARTS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "aws"),
    ("AWS_SECRET_ACCESS_KEY", "aws"),
    ("AWS_SESSION_TOKEN", "aws"),
    ("AZURE_TENANT_ID", "azure"),
    ("AZURE_CLIENT_ID", "azure"),
    ("AZURE_CLIENT_SECRET", "azure"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "gcp"),
];

#[cfg(test)]
mod tests {
    use llm_keys::{KeyName, Service};

    use super::*;

    #[test]
    fn every_variable_is_there_once_and_its_service_has_a_valid_name() {
        let names = KEYS.iter().map(|known| (known.name, known.service));
        let all: Vec<_> = names.chain(PARTS.iter().copied()).collect();
        for (at, (name, service)) in all.iter().enumerate() {
            assert!(Service::new(service).is_ok(), "{service}");
            assert!(all[at + 1..].iter().all(|(other, _)| other != name), "{name}");
        }
    }

    #[test]
    fn every_service_with_a_key_can_be_run_with() {
        for known in KEYS {
            assert!(!set_for(known.service).is_empty(), "{}", known.service);
        }
        assert_eq!(set_for("gemini"), ["GOOGLE_API_KEY", "GEMINI_API_KEY"]);
        assert_eq!(set_for("anthropic"), ["ANTHROPIC_API_KEY"]);
        assert!(set_for("unheard-of").is_empty());
    }

    #[test]
    fn a_suffix_is_the_name_of_the_key() {
        let key = |service, name: &str| Some(Meaning::Key(service, Some(name.to_owned())));
        assert_eq!(meaning_of("OPENAI_API_KEY"), Some(Meaning::Key("openai", None)));
        assert_eq!(meaning_of("OPENAI_API_KEY_PROD"), key("openai", "prod"));
        assert_eq!(meaning_of("ANTHROPIC_API_KEY_2"), key("anthropic", "2"));
        assert_eq!(meaning_of("AWS_SECRET_ACCESS_KEY"), Some(Meaning::Part("aws")));
        for unknown in ["", "OPENAI_API_KEY_", "OPENAI_API_KEYS", "XOPENAI_API_KEY", "PATH"] {
            assert_eq!(meaning_of(unknown), None, "{unknown}");
        }
        assert!(KeyName::new("prod").is_ok());
    }
}
