//! What keys look like, by service.

use std::sync::OnceLock;

use llm_keys::ApiKey;
use regex::bytes::{RegexSet, RegexSetBuilder};

/// The service whose keys look like `key`; `None` if none does.
///
/// Of several the first in the table: it is ordered by how much of a key is fixed text, so that the
/// most telling comes first.
pub(crate) fn looks_like(key: &ApiKey) -> Option<&'static str> {
    let set = set()?;
    key.expose(|key| set.matches(key).iter().next().and_then(|at| Some(PATTERNS.get(at)?.0)))
}

/// The patterns, put together once; a test sees to it that they can be.
fn set() -> Option<&'static RegexSet> {
    static SET: OnceLock<Option<RegexSet>> = OnceLock::new();
    let whole = || PATTERNS.iter().map(|(_, pattern)| format!("^(?:{pattern})$"));
    SET.get_or_init(|| RegexSetBuilder::new(whole()).unicode(false).build().ok()).as_ref()
}

/// Taken from the rules of gitleaks and trufflehog. Left out is what many services share, such as
/// 32 hexadecimal digits.
const PATTERNS: &[(&str, &str)] = &[
    ("anthropic", r"sk-ant-api03-[a-zA-Z0-9_\-]{93}AA"),
    ("anthropic-admin", r"sk-ant-admin01-[a-zA-Z0-9_\-]{93}AA"),
    ("anthropic-token", r"sk-ant-oat01-[a-zA-Z0-9_\-]{80,}"),
    // New kinds keep the beginning.
    ("anthropic", r"sk-ant-api[0-9]{2}-[a-zA-Z0-9_\-]{40,}"),
    (
        "openai-admin",
        r"sk-admin-(?:[A-Za-z0-9_-]{74}|[A-Za-z0-9_-]{58})T3BlbkFJ(?:[A-Za-z0-9_-]{74}|[A-Za-z0-9_-]{58})",
    ),
    (
        "openai",
        r"sk-(?:proj|svcacct)-(?:[A-Za-z0-9_-]{74}|[A-Za-z0-9_-]{58})T3BlbkFJ(?:[A-Za-z0-9_-]{74}|[A-Za-z0-9_-]{58})",
    ),
    ("openai", r"sk-[a-zA-Z0-9]{20}T3BlbkFJ[a-zA-Z0-9]{20}"),
    ("bedrock", r"bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=_-]*"),
    ("bedrock", r"ABSK[A-Za-z0-9+/]{109,269}={0,2}"),
    ("openrouter", r"sk-or-v1-[0-9a-f]{64}"),
    ("github", r"github_pat_\w{82}"),
    ("github", r"gh[pousr]_[0-9a-zA-Z]{36}"),
    ("gitlab", r"glpat-[0-9a-zA-Z_-]{27,300}\.[0-9a-z]{2}[0-9a-z]{7}"),
    ("gitlab", r"glpat-[\w-]{20}"),
    ("grafana", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    ("grafana", r"glsa_[0-9a-zA-Z_]{41}"),
    ("grafana", r"glc_[A-Za-z0-9+/]{32,400}={0,3}"),
    ("grafana", r"eyJrIjoi[A-Za-z0-9]{70,400}={0,3}"),
    ("langsmith", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    ("linear", r"lin_api_[a-zA-Z0-9]{40}"),
    ("stripe", r"(?:sk|rk)_(?:test|live|prod)_[a-zA-Z0-9]{10,99}"),
    ("slack", r"xoxb-[0-9]{10,13}-[0-9]{10,13}[a-zA-Z0-9-]*"),
    ("gemini", r"AIza[\w-]{35}"),
    ("groq", r"gsk_[a-zA-Z0-9]{52}"),
    ("xai", r"xai-[0-9a-zA-Z_]{80}"),
    ("perplexity", r"pplx-[a-zA-Z0-9]{48}"),
    ("databricks", r"dapi[a-f0-9]{32}(?:-\d)?"),
    ("vault", r"hvs\.[\w-]{90,120}"),
    ("huggingface", r"hf_[a-zA-Z]{34}"),
    ("replicate", r"r8_[0-9A-Za-z\-_]{37}"),
    ("elevenlabs", r"sk_[a-f0-9]{48}"),
    // The last: nothing but `sk-` is fixed, which others have, too.
    ("deepseek", r"sk-[a-z0-9]{32}"),
];

#[cfg(test)]
mod tests {
    use llm_keys::Service;

    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        looks_like(&ApiKey::new(text).unwrap())
    }

    #[test]
    fn the_patterns_can_be_put_together_and_are_of_services() {
        assert_eq!(set().unwrap().len(), PATTERNS.len());
        for (service, _) in PATTERNS {
            assert!(Service::new(service).is_ok(), "{service}");
            assert!(!crate::known::set_for(service).is_empty(), "{service} cannot be run with");
        }
    }

    #[test]
    fn keys_are_recognised() {
        let of_length =
            |prefix: &str, c: &str, n: usize, end: &str| format!("{prefix}{}{end}", c.repeat(n));
        for (service, key) in [
            ("anthropic", of_length("sk-ant-api03-", "x", 93, "AA")),
            ("anthropic", of_length("sk-ant-api01-", "x", 60, "")),
            ("anthropic-admin", of_length("sk-ant-admin01-", "x", 93, "AA")),
            ("anthropic-token", of_length("sk-ant-oat01-", "x", 90, "")),
            ("openai", of_length("sk-proj-", "x", 74, &format!("T3BlbkFJ{}", "y".repeat(74)))),
            ("openai", of_length("sk-", "x", 20, &format!("T3BlbkFJ{}", "y".repeat(20)))),
            (
                "openai-admin",
                of_length("sk-admin-", "x", 58, &format!("T3BlbkFJ{}", "y".repeat(58))),
            ),
            ("openrouter", of_length("sk-or-v1-", "a", 64, "")),
            ("deepseek", of_length("sk-", "a", 32, "")),
            ("gemini", of_length("AIzaSy", "x", 33, "")),
            ("github", of_length("ghp_", "x", 36, "")),
            ("github", of_length("github_pat_", "x", 82, "")),
            ("linear", of_length("lin_api_", "x", 40, "")),
            ("groq", of_length("gsk_", "x", 52, "")),
            ("xai", of_length("xai-", "x", 80, "")),
            ("elevenlabs", of_length("sk_", "a", 48, "")),
            ("stripe", of_length("sk_live_", "x", 24, "")),
            ("langsmith", of_length("lsv2_pt_", "a", 32, "_0123456789")),
            ("grafana", of_length("glsa_", "x", 32, "_0123abcd")),
        ] {
            assert_eq!(of(&key), Some(service), "{service}");
        }
    }

    #[test]
    fn what_merely_contains_a_key_or_is_shared_by_many_is_not_recognised() {
        let inside = format!("key=sk-or-v1-{}", "a".repeat(64));
        for key in ["sk-something", "hello", &inside, &"a".repeat(32), "AQ.new-kind-of-key"] {
            assert_eq!(of(key), None, "{key}");
        }
        assert_eq!(looks_like(&ApiKey::new(vec![0xff; 40]).unwrap()), None);
    }
}
