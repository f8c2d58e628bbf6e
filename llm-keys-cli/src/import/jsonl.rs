//! A JSON object on each line.

use std::collections::BTreeMap;
use std::fmt;

use base64ct::{Base64, Encoding as _};
use llm_keys::{Labels, Owner};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::fields::{Defaults, Draft, Fields, Refusal};
use super::found::Found;
use super::source::without_mark;

/// The member that the first line of our own backups has, and no other; its value is the format.
pub(crate) const BACKUP: &str = "llm_keys_backup";

/// The rows of `text`; what is bad goes to `found`.
pub(crate) fn read(text: &[u8], defaults: &Defaults, found: &mut Found) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let lines = without_mark(text).split(|&b| b == b'\n');
    for (line, text) in (1..).zip(lines) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let fields = parse(text, defaults.ignore_unknown);
        let draft = match fields {
            Ok(None) => continue,
            Ok(Some(fields)) => fields.check(line, defaults),
            Err(refusal) => Err(refusal),
        };
        match draft {
            Ok(draft) => drafts.push(draft),
            Err(Refusal::Bad(reason)) => found.bad(line, "", reason),
            Err(Refusal::Skip(reason)) => found.skip(line, "", reason),
        }
    }
    drafts
}

/// `None` for the first line of a backup.
fn parse(text: &[u8], ignore_unknown: bool) -> Result<Option<Fields>, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let line = LineSeed(ignore_unknown).deserialize(&mut json);
    // Its message would repeat what stands there.
    let line = line.and_then(|line| json.end().map(|()| line)).map_err(|error| {
        let column = error.column();
        Refusal::Bad(match error.classify() {
            Category::Data => format!(
                "before column {column} a member is not known, given twice or of a wrong type"
            ),
            _ => format!("it is not JSON from column {column} on"),
        })
    })?;
    match line.llm_keys_backup {
        Some(1) => return Ok(None),
        Some(_) => return Err(Refusal::Bad("a newer program made this backup".to_owned())),
        None => {}
    }
    let secret = match (line.key, line.key_base64) {
        (Some(_), Some(_)) => return Err(Refusal::Bad("it has two keys".to_owned())),
        (Some(key), None) => Some(Zeroizing::new(key.0.as_bytes().to_vec())),
        (None, Some(key)) => Some(Zeroizing::new(
            Base64::decode_vec(&key.0)
                .map_err(|_| Refusal::Bad("`key_base64` is not base64".to_owned()))?,
        )),
        (None, None) => None,
    };
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Some(Fields {
        service: said(line.service),
        secret: secret.filter(|secret| !secret.is_empty()),
        user: said(line.user_id),
        team: said(line.team_id),
        owner: line.owner.map(|owner| match owner {
            OwnerText::Text(text) => text,
            OwnerText::Owner(owner) => owner.to_string(),
        }),
        name: said(line.name),
        tenant: said(line.tenant),
        expires_at: said(line.expires_at),
        labels: line.labels.filter(|labels| !labels.is_empty()),
        settings: line.settings.filter(|settings| !settings.is_empty()),
        template: said(line.template),
        rotate_every_days: line.rotate_every_days,
        active: line.is_active,
    }))
}

/// What a line may have.
#[derive(Default)]
struct Line {
    llm_keys_backup: Option<u32>,
    service: Option<String>,
    key: Option<SecretText>,
    key_base64: Option<SecretText>,
    user_id: Option<String>,
    team_id: Option<String>,
    owner: Option<OwnerText>,
    name: Option<String>,
    tenant: Option<String>,
    expires_at: Option<String>,
    labels: Option<Labels>,
    settings: Option<BTreeMap<String, String>>,
    template: Option<String>,
    rotate_every_days: Option<u32>,
    is_active: Option<bool>,
}

/// Reads a [`Line`]; `true`: and passes over members that are not known.
struct LineSeed(bool);

impl<'de> DeserializeSeed<'de> for LineSeed {
    type Value = Line;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Line, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineSeed {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let mut line = Line::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                BACKUP => once(&mut line.llm_keys_backup, &mut map)?,
                "service" | "service_name" | "service_type" => once(&mut line.service, &mut map)?,
                "key" | "api_key" | "value" | "ciphertext" | "encrypted_key" | "encrypted_data" => {
                    once(&mut line.key, &mut map)?;
                }
                "key_base64" => once(&mut line.key_base64, &mut map)?,
                "user_id" | "user" => once(&mut line.user_id, &mut map)?,
                "team_id" | "team" => once(&mut line.team_id, &mut map)?,
                "owner" => once(&mut line.owner, &mut map)?,
                "name" => once(&mut line.name, &mut map)?,
                "tenant" => once(&mut line.tenant, &mut map)?,
                "expires_at" => once(&mut line.expires_at, &mut map)?,
                "labels" => once(&mut line.labels, &mut map)?,
                "settings" => once(&mut line.settings, &mut map)?,
                "template" => once(&mut line.template, &mut map)?,
                "rotate_every_days" => once(&mut line.rotate_every_days, &mut map)?,
                "is_active" | "active" => once(&mut line.is_active, &mut map)?,
                "id" | "version" | "created_at" | "updated_at" | "last_used" | "last_used_at" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ if self.0 => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => return Err(A::Error::custom("a member that is not known")),
            }
        }
        Ok(line)
    }
}

fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    place: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(A::Error::custom("a member that is there twice"));
    }
    *place = map.next_value()?;
    Ok(())
}

/// An owner as text, or as our own JSON has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum OwnerText {
    Text(String),
    Owner(Owner),
}

/// A string that is wiped.
pub(super) struct SecretText(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SecretVisitor)
    }
}

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(SecretText(Zeroizing::new(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use llm_keys::{Micros, Owner, Tenant};

    use super::*;

    fn lines(text: &[u8], ignore_unknown: bool) -> (Vec<u64>, Vec<(u64, String)>) {
        let (owner, tenant) = (Owner::Global, Tenant::default());
        let (global_user_id, now) = (None, Micros(0));
        let defaults = Defaults { owner, tenant, global_user_id, ignore_unknown, now };
        let mut found = Found::default();
        let drafts = read(text, &defaults, &mut found);
        let bad = found.bad.into_iter().map(|remark| (remark.line, remark.reason)).collect();
        (drafts.iter().map(|draft| draft.line).collect(), bad)
    }

    #[test]
    fn objects_on_lines() {
        let text = b"\xef\xbb\xbf{\"service\":\"a\",\"key\":\"\\u0031\"}\r\n\r\n\
            {\"service\":\"a\",\"api_key\":\"1\",\"user_id\":null,\"labels\":{\"k\":\"v\"},\"id\":[1]}\n\
            {\"llm_keys_backup\":1,\"created_at\":\"x\"}\n\
            {\"owner\":{\"kind\":\"user\",\"id\":\"al\"},\"service\":\"a\",\"key_base64\":\"/w==\"}";
        assert_eq!(lines(text, false), (vec![1, 3, 5], vec![]));
    }

    #[test]
    fn what_is_wrong_is_said_by_its_place_alone() {
        let long = format!("{{\"service\":\"{}\",\"key\":\"k\"}}", "x".repeat(10 << 20));
        for text in [
            "sk-secret",
            "{\"service\":\"a\",\"key\":\"sk-secret\"",
            "{\"service\":\"a\",\"key\":\"sk-secret\"} {}",
            "{\"service\":\"a\",\"key\":5,\"x\":\"sk-secret\"}",
            "{\"service\":\"a\",\"key\":\"k\",\"key\":\"sk-secret\"}",
            "{\"service\":\"a\",\"key\":\"k\",\"value\":\"sk-secret\"}",
            "{\"service\":\"a\",\"key\":\"k\",\"sk-secret\":1}",
            "{\"service\":\"a\",\"key_base64\":\"sk-secret\"}",
            "{\"service\":\"a\",\"key\":\"\"}",
            "{\"service\":\"a\",\"key\":\"k\",\"owner\":\"sk-secret\"}",
            "{\"service\":\"a\",\"key\":\"k\",\"labels\":\"sk-secret\"}",
            "{\"llm_keys_backup\":2}",
            "[\"sk-secret\"]",
            "{\"service\":\"a\0\",\"key\":\"k\"}",
            &long,
            &"[".repeat(100_000),
        ] {
            let (good, bad) = lines(text.as_bytes(), false);
            let start: String = text.chars().take(60).collect();
            assert!(good.is_empty() && bad.len() == 1, "{start}");
            let reason = &bad[0].1;
            assert!(!reason.contains("sk-secret") && reason.len() < 200, "{reason}");
        }
        assert_eq!(lines(b"{\"service\":\"a\",\"key\":\"\xff\"}", false).1.len(), 1);
        let unknown = b"{\"service\":\"a\",\"key\":\"k\",\"more\":{\"x\":[1]}}";
        assert_eq!(lines(unknown, false).1.len(), 1);
        assert_eq!(lines(unknown, true), (vec![1], vec![]));
    }
}
