//! The MAC of a row: a keyed hash over every column that decides something.
//!
//! Envelopes protect secrets; columns such as state, expiry and settings lie beside them in clear,
//! and who can write to the database could change them. So each row carries an HMAC-SHA-256 (RFC
//! 2104) under a key that only our KMS opens. What is outside it: the times of last use, and what
//! was told about due dates, since both are written without the key; nobody decides by them.
//!
//! One encoding: the table's name, then each column in a fixed order. A text or byte string is its
//! length as `u32` and its bytes, a number is eight bytes, both big-endian; a column that may be
//! missing has a byte before it that says whether it is there.

use aws_lc_rs::{digest, hmac};
use uuid::Uuid;

use crate::clock::Micros;
use crate::envelope::Envelope;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::model::{Hint, KeyRow, KeyState, Reason, RowMac, Version, VersionRow, VersionState};
use crate::random::Random;
use crate::secret::SecretBytes;

/// The keys of row MACs, each with its number: new rows get the last one, and all are read.
#[derive(Debug)]
pub(super) struct MacKeys(Vec<(u8, SecretBytes)>);

/// A key has as many bytes as the hash (RFC 2104, section 3).
const KEY: usize = 32;

/// The first byte of the record that holds them.
const FORMAT: u8 = 1;

impl MacKeys {
    /// One new key. Its number is random, so that it is hardly ever taken for one that it replaces.
    pub(super) fn generate(random: &dyn Random) -> Result<Self> {
        let key = SecretBytes::fill_with(KEY, |key| random.fill(key))?;
        let mut number = [0; 1];
        random.fill(&mut number)?;
        Ok(Self(vec![(number[0], key)]))
    }

    /// The content of the record: a byte for the format, then for each key its number and its bytes.
    pub(super) fn serialize(&self) -> Result<SecretBytes> {
        let len = 1 + self.0.len() * (1 + KEY);
        SecretBytes::fill_with(len, |out| {
            out[0] = FORMAT;
            for (place, (number, key)) in out[1..].chunks_exact_mut(1 + KEY).zip(&self.0) {
                place[0] = *number;
                key.expose(|key| place[1..].copy_from_slice(key));
            }
            Ok(())
        })
    }

    /// Reads what [`serialize`](Self::serialize) wrote.
    ///
    /// # Errors
    /// `Integrity(Row)` if it is anything else.
    pub(super) fn parse(content: &[u8]) -> Result<Self> {
        let Some((&FORMAT, keys)) = content.split_first() else { return Err(unreadable()) };
        if keys.is_empty() || keys.len() % (1 + KEY) != 0 {
            return Err(unreadable());
        }
        let keys = keys.chunks_exact(1 + KEY);
        let keys: Vec<_> = keys.map(|key| (key[0], SecretBytes::copy_from(&key[1..]))).collect();
        // Numbers rise, so that none is there twice.
        match keys.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            true => Ok(Self(keys)),
            false => Err(unreadable()),
        }
    }

    /// The MAC of a key row.
    pub(super) fn of_key(&self, row: &KeyRow) -> Result<RowMac> {
        self.sign(&key_bytes(row))
    }

    /// The MAC of a version row.
    pub(super) fn of_version(&self, row: &VersionRow) -> Result<RowMac> {
        self.sign(&version_bytes(row))
    }

    /// Whether a key row is as it was written.
    pub(super) fn is_key(&self, row: &KeyRow) -> bool {
        self.verify(&key_bytes(row), row.mac.as_ref())
    }

    /// Whether a version row is as it was written.
    pub(super) fn is_version(&self, row: &VersionRow) -> bool {
        self.verify(&version_bytes(row), row.mac.as_ref())
    }

    fn sign(&self, bytes: &[u8]) -> Result<RowMac> {
        let (number, key) = self.0.last().ok_or_else(unreadable)?;
        let tag = key.expose(|key| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes));
        Ok(RowMac([&[*number], tag.as_ref()].concat()))
    }

    fn verify(&self, bytes: &[u8], mac: Option<&RowMac>) -> bool {
        let Some((number, tag)) = mac.and_then(|mac| mac.0.split_first()) else { return false };
        let Some((_, key)) = self.0.iter().find(|(known, _)| known == number) else { return false };
        // In constant time, and only at its full length.
        key.expose(|key| hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes, tag).is_ok())
    }
}

fn unreadable() -> Error {
    let fault = ErrorKind::Integrity(IntegrityFault::Row);
    Error::new(fault, "manager.row_mac", "the record of row MAC keys cannot be read")
}

/// What a checkpoint says of a key: SHA-256 over all that is in the MACs of its rows.
pub(super) fn fingerprint(key: &KeyRow, versions: &[VersionRow]) -> [u8; 32] {
    let mut out = Encoder::of("llm-keys/checkpoint/1/key");
    out.bytes(&key_bytes(key));
    out.number(u64::try_from(versions.len()).unwrap_or(u64::MAX));
    for row in versions {
        out.bytes(&version_bytes(row));
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &out.0).as_ref());
    hash
}

/// Every column of a key row but `last_used_at`, `due_told` and `mac`: taken apart field by field,
/// so that a new one does not compile until somebody decides about it.
fn key_bytes(row: &KeyRow) -> Vec<u8> {
    let KeyRow {
        id,
        record,
        state,
        current,
        latest,
        generation,
        kept,
        settings,
        template,
        labels,
        hint,
        expires_at,
        rotate_every,
        due_at,
        due_told: _,
        created_at,
        updated_at,
        last_used_at: _,
        mac: _,
    } = row;
    let mut out = Encoder::of("llm_keys_keys");
    out.record(*record).text(id.tenant.as_str());
    out.text(id.owner.kind()).text(id.owner.id());
    out.text(id.service.as_str()).text(id.name.as_str());
    out.text(state.word()).time(match state {
        KeyState::Deleted { purge_at } => Some(*purge_at),
        _ => None,
    });
    out.version(*current).version(*latest).number(*generation).text(&kept.to_string());
    out.pairs(settings.0.iter().map(|(field, value)| (field.as_str(), value.as_str())));
    out.optional(template.as_ref().map(|template| template.0.as_bytes()));
    out.pairs(labels.iter()).optional(hint.as_ref().map(|hint| Hint::as_str(hint).as_bytes()));
    out.time(*expires_at).optional(rotate_every.map(|days| days.0.to_be_bytes()));
    out.time(*due_at).time(Some(*created_at)).time(Some(*updated_at));
    out.0
}

/// Every column of a version row but `last_used_at` and `mac`. The envelope is in by its hash.
fn version_bytes(row: &VersionRow) -> Vec<u8> {
    let VersionRow {
        record,
        version,
        generation,
        state,
        envelope,
        rewrap,
        by,
        reason,
        created_at,
        last_used_at: _,
        mac: _,
    } = row;
    let mut out = Encoder::of("llm_keys_versions");
    out.record(*record).version(Some(*version)).number(*generation);
    out.text(state.word()).time(match state {
        VersionState::Retiring { until } => Some(*until),
        _ => None,
    });
    out.optional(envelope.as_ref().map(Envelope::hash)).number(u64::from(*rewrap));
    out.text(by.as_str()).optional(reason.as_ref().map(|reason| Reason::as_str(reason).as_bytes()));
    out.time(Some(*created_at));
    out.0
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn of(table: &str) -> Self {
        let mut new = Self(Vec::with_capacity(512));
        new.text(table);
        new
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        // No column is near 4 GiB; one that were would end as another length, and not verify.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn record(&mut self, record: Uuid) -> &mut Self {
        self.bytes(record.as_bytes())
    }

    fn optional(&mut self, bytes: Option<impl AsRef<[u8]>>) -> &mut Self {
        self.0.push(u8::from(bytes.is_some()));
        match bytes {
            Some(bytes) => self.bytes(bytes.as_ref()),
            None => self,
        }
    }

    fn time(&mut self, time: Option<Micros>) -> &mut Self {
        self.optional(time.map(|time| time.0.to_be_bytes()))
    }

    fn version(&mut self, version: Option<Version>) -> &mut Self {
        self.optional(version.map(|version| version.get().to_be_bytes()))
    }

    /// In their sorted order.
    fn pairs<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> &mut Self {
        let pairs: Vec<_> = pairs.collect();
        self.number(u64::try_from(pairs.len()).unwrap_or(u64::MAX));
        for (key, value) in pairs {
            self.text(key).text(value);
        }
        self
    }
}

pub(super) mod checkpoint;
#[cfg(test)]
mod tests;
