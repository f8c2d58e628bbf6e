//! A new checkpoint, written entry by entry.

use std::path::Path;

use super::super::super::row_mac::checkpoint::TAG;
use super::format::{COUNT_AT, entry_bytes, header, signed};
use super::tree::Tree;
use super::{Entry, OP};
use crate::clock::Micros;
use crate::error::{ErrorKind, Result};
use crate::model::{Seq, Tenant};
use crate::private_file::{self, Draft, Purpose};
use crate::random::Random;

/// What the file is for. Nothing in it is secret; only its owner is to write it all the same.
const PURPOSE: Purpose = Purpose {
    name: "checkpoint",
    kind: ErrorKind::Io,
    op: OP,
    missing: "`llm-keys verify --checkpoint FILE` makes it",
};

/// How many bytes are written at once.
const CHUNK: usize = 64 * 1024;

/// A checkpoint that is being written beside its place.
pub(in super::super) struct Writing {
    draft: Draft,
    header: Vec<u8>,
    signers: Vec<Tenant>,
    tree: Tree,
    count: u64,
    waiting: Vec<u8>,
}

impl Writing {
    pub(super) fn begin(
        path: &Path,
        made_at: Micros,
        feed: Seq,
        signers: Vec<Tenant>,
        random: &dyn Random,
    ) -> Result<Self> {
        private_file::sweep(path, PURPOSE)?;
        let header = header(made_at, feed, &signers)?;
        let draft = Draft::write(path, &header, random, PURPOSE)?;
        let waiting = Vec::with_capacity(CHUNK);
        Ok(Self { draft, header, signers, tree: Tree::default(), count: 0, waiting })
    }

    /// Adds a key. One of a tenant that does not sign, because it came meanwhile, is left out: it is
    /// new to the next one.
    pub(in super::super) fn add(&mut self, tenant: &Tenant, entry: &Entry) -> Result<()> {
        if self.signers.binary_search(tenant).is_err() {
            return Ok(());
        }
        let bytes = entry_bytes(entry);
        self.tree.add(&bytes);
        self.count += 1;
        self.waiting.extend(bytes);
        if self.waiting.len() >= CHUNK {
            self.draft.append(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }

    /// What is to be signed, once all keys were added.
    pub(super) fn end(&mut self) -> Result<Vec<u8>> {
        let root = self.tree.root();
        self.waiting.extend(root);
        self.draft.append(&self.waiting)?;
        let count = self.count.to_be_bytes();
        self.header[COUNT_AT..COUNT_AT + count.len()].copy_from_slice(&count);
        self.draft.overwrite(COUNT_AT, &count)?;
        Ok(signed(&self.header, &root))
    }

    pub(super) fn signers(&self) -> &[Tenant] {
        &self.signers
    }

    /// Puts it in the place of `path`, with these tags; how many keys it has.
    pub(super) fn replace(mut self, tags: &[(u8, [u8; TAG])], path: &Path) -> Result<u64> {
        for (number, tag) in tags {
            self.draft.append(&[*number])?;
            self.draft.append(tag)?;
        }
        self.draft.sync()?;
        self.draft.replace(path)?;
        Ok(self.count)
    }
}
