//! The bytes of a checkpoint; `docs/reference/checkpoint.md` says them for others.

use std::ops::Range;

use uuid::Uuid;

use super::super::super::row_mac::checkpoint::TAG;
use super::tree::{Hash, Tree};
use super::{Entry, unbelieved};
use crate::clock::Micros;
use crate::error::{Error, Result};
use crate::model::{Seq, Tenant};

/// The first bytes; the last one is the version of the format.
const MAGIC: &[u8; 5] = b"LKCP\x01";

/// Where the number of entries stands.
pub(super) const COUNT_AT: usize = MAGIC.len() + 8 + 8;

/// The length of an entry.
pub(super) const ENTRY: usize = 16 + 8 + 32;

/// A checkpoint that was read, not yet believed.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    header: &'a [u8],
    pub(super) made_at: Micros,
    pub(super) feed: Seq,
    /// Ordered by record.
    entries: &'a [[u8; ENTRY]],
    root: Hash,
    /// Each tenant with the number of its key and its tag.
    pub(super) signers: Vec<(Tenant, u8, [u8; TAG])>,
}

impl Parsed<'_> {
    /// Where the entries stand in the file.
    pub(super) fn place_of_entries(&self) -> Range<usize> {
        let start = self.header.len();
        start..start + self.entries.len() * ENTRY
    }

    /// What the tags are over.
    pub(super) fn signed(&self) -> Vec<u8> {
        signed(self.header, &self.root)
    }
}

/// What the tags are over.
pub(super) fn signed(header: &[u8], root: &Hash) -> Vec<u8> {
    [header, root].concat()
}

/// All that stands before the entries, with a count of 0.
pub(super) fn header(made_at: Micros, feed: Seq, signers: &[Tenant]) -> Result<Vec<u8>> {
    let many = |_| Error::invalid(super::OP, "there are too many tenants for a checkpoint");
    let mut out = MAGIC.to_vec();
    out.extend(made_at.0.to_be_bytes());
    out.extend(feed.0.to_be_bytes());
    out.extend(0_u64.to_be_bytes());
    out.extend(u16::try_from(signers.len()).map_err(many)?.to_be_bytes());
    for tenant in signers {
        let tenant = tenant.as_str().as_bytes();
        out.extend(u16::try_from(tenant.len()).map_err(many)?.to_be_bytes());
        out.extend(tenant);
    }
    Ok(out)
}

pub(super) fn entry_bytes(entry: &Entry) -> [u8; ENTRY] {
    let mut out = [0; ENTRY];
    out[..16].copy_from_slice(entry.record.as_bytes());
    out[16..24].copy_from_slice(&entry.generation.to_be_bytes());
    out[24..].copy_from_slice(&entry.hash);
    out
}

pub(super) fn entry_of(bytes: &[u8; ENTRY]) -> Entry {
    let (mut record, mut generation, mut hash) = ([0; 16], [0; 8], [0; 32]);
    record.copy_from_slice(&bytes[..16]);
    generation.copy_from_slice(&bytes[16..24]);
    hash.copy_from_slice(&bytes[24..]);
    let generation = u64::from_be_bytes(generation);
    Entry { record: Uuid::from_bytes(record), generation, hash }
}

/// Reads a checkpoint, and computes its root anew.
///
/// # Errors
/// `Integrity(Row)` if it is none, or not whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed<'_>> {
    let mut rest = Rest(bytes);
    if rest.array::<5>()? != MAGIC {
        return Err(unbelieved("it is no checkpoint, or one of a newer llm-keys"));
    }
    let made_at = Micros(i64::from_be_bytes(*rest.array()?));
    let feed = Seq(u64::from_be_bytes(*rest.array()?));
    let count = u64::from_be_bytes(*rest.array()?);
    let tenants = u16::from_be_bytes(*rest.array()?);
    let mut names = Vec::with_capacity(tenants.into());
    for _ in 0..tenants {
        let len = u16::from_be_bytes(*rest.array()?);
        let name = std::str::from_utf8(rest.take(len.into())?).map_err(|_| broken())?;
        names.push(Tenant::new(name).map_err(|_| broken())?);
    }
    let header = &bytes[..bytes.len() - rest.0.len()];
    let len = usize::try_from(count).ok().and_then(|count| count.checked_mul(ENTRY));
    let (entries, surplus) = rest.take(len.ok_or_else(broken)?)?.as_chunks::<ENTRY>();
    let root = *rest.array::<32>()?;
    let mut signers = Vec::with_capacity(names.len());
    for tenant in names {
        let number = rest.array::<1>()?[0];
        signers.push((tenant, number, *rest.array::<TAG>()?));
    }
    let rising = entries.windows(2).all(|pair| pair[0][..16] < pair[1][..16]);
    // Without a tag anybody could have made it.
    if signers.is_empty() || !rest.0.is_empty() || !surplus.is_empty() || !rising {
        return Err(broken());
    }
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.add(entry));
    match tree.root() == root {
        true => Ok(Parsed { header, made_at, feed, entries, root, signers }),
        false => Err(broken()),
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len).ok_or_else(broken)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or_else(broken)?;
        self.0 = tail;
        Ok(head)
    }
}

fn broken() -> Error {
    unbelieved("it is damaged, or not whole")
}
