//! One key of a backup, as `import` reads it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64ct::{Base64, Encoding as _};
use jiff::Timestamp;
use llm_keys::{ApiKey, KeyMetadata, Labels, Micros, Owner, Version};
use serde::Serialize;
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Line<'a> {
    tenant: &'a str,
    owner: &'a Owner,
    service: &'a str,
    name: &'a str,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// Of a key that is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    settings: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotate_every_days: Option<u32>,
}

/// Writes `key` and what stands beside it to `out`, by way of a buffer that never grows and is
/// wiped.
pub(crate) fn write_line(
    out: &mut impl Write,
    about: &KeyMetadata,
    (key, version, expires_at): (&ApiKey, Version, Option<Micros>),
) -> io::Result<()> {
    key.expose(|bytes| {
        let text = std::str::from_utf8(bytes).ok();
        let encoded = match text {
            Some(_) => None,
            None => Some(Zeroizing::new(Base64::encode_string(bytes))),
        };
        let line = Line {
            tenant: about.id.tenant.as_str(),
            owner: &about.id.owner,
            service: about.id.service.as_str(),
            name: about.id.name.as_str(),
            version: version.get(),
            key: text,
            key_base64: encoded.as_ref().map(|encoded| encoded.as_str()),
            expires_at: expires_at.and_then(exact),
            labels: &about.labels,
            settings: &about.settings.0,
            template: about.template.as_ref().map(|template| template.0.as_str()),
            rotate_every_days: about.rotate_every.map(|days| days.0),
        };
        let settings: usize = about.settings.0.iter().map(|(k, v)| k.len() + v.len() + 8).sum();
        let room = (bytes.len() + settings) * LONGEST_ESCAPE + ROOM_FOR_THE_REST;
        let mut buffer = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *buffer, &line)?;
        buffer.push(b'\n');
        out.write_all(&buffer)
    })
}

/// To the microsecond; `None` outside the years that a calendar can show, which is never.
fn exact(at: Micros) -> Option<String> {
    Timestamp::from_microsecond(at.0).ok().map(|at| at.to_string())
}

/// `\u0001`.
const LONGEST_ESCAPE: usize = 6;
/// 16 labels of 63 and 255 characters, each of these of up to 4 bytes, and the names.
const ROOM_FOR_THE_REST: usize = 32 * 1024;
