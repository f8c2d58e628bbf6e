//! One member of a sealed JSON object.

use std::fmt;

use llm_keys::SecretBytes;
use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};

use crate::import::jsonl::SecretText;

/// The string `field` of the object `json`.
pub(super) fn take(json: &[u8], field: &str) -> Result<SecretBytes, &'static str> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let found = json.deserialize_map(Member(field)).and_then(|found| json.end().map(|()| found));
    match found {
        Ok(Some(text)) => Ok(SecretBytes::copy_from(text.0.as_bytes())),
        Ok(None) => Err("what is sealed has no such member as `--key-field` names"),
        Err(_) => Err("what is sealed is no JSON object with such a string"),
    }
}

struct Member<'a>(&'a str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<SecretText>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != self.0 {
                map.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                return Err(A::Error::custom("a member that is there twice"));
            } else {
                found = Some(map.next_value()?);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_string_is_taken() {
        let of = |json: &str| take(json.as_bytes(), "api_key").map(|key| key.len());
        assert_eq!(of(r#"{"model":"x","api_key":"sk-1","n":[1]}"#), Ok(4));
        for bad in ["", "sk-1", "[]", r#"{"key":"x"}"#, r#"{"api_key":1}"#, r#"{"api_key":"a"} x"#]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(of(r#"{"api_key":"a","api_key":"b"}"#).is_err());
    }
}
