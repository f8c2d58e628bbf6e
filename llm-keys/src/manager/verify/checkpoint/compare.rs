//! The old checkpoint, beside the rows of now: both come in the order of their records.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use uuid::Uuid;

use super::super::super::rewrap::Item;
use super::super::report::{Compared, Finding, VerifyReport};
use super::format::{ENTRY, Parsed, entry_of};
use super::{Entry, fault};
use crate::model::{KeyRow, Seq, Tenant};

/// How much older than the checkpoint a key may say it is that is not in it: it was being stored while
/// the checkpoint was made, by a process whose clock is not quite the same.
const BESIDE: Duration = Duration::from_secs(5 * 60);

/// A checkpoint that is believed, and how far it was compared.
#[derive(Debug)]
pub(in super::super) struct Old {
    /// The whole file, and where in it the entries are that were not compared yet.
    bytes: Vec<u8>,
    rest: Range<usize>,
    next: Option<Entry>,
    signers: HashSet<Tenant>,
    feed: Seq,
    compared: Compared,
    /// Records that are not stored any more.
    gone: Vec<Uuid>,
}

impl Old {
    /// The one that was parsed; [`with`](Self::with) gives it the entries.
    pub(super) fn of(parsed: &Parsed<'_>) -> Self {
        Self {
            bytes: Vec::new(),
            rest: parsed.place_of_entries(),
            next: None,
            signers: parsed.signers.iter().map(|(tenant, _, _)| tenant.clone()).collect(),
            feed: parsed.feed,
            compared: Compared::since(parsed.made_at),
            gone: Vec::new(),
        }
    }

    /// The same over the bytes that it was parsed from, which are in memory once.
    pub(super) fn with(mut self, bytes: Vec<u8>) -> Self {
        self.bytes = bytes;
        self.advance();
        self
    }

    /// The feed only ever moves on.
    pub(super) fn compare_feed(&self, head: Seq, report: &mut VerifyReport) {
        if head < self.feed {
            let (now, then) = (head.0, self.feed.0);
            let detail = format!(
                "it is older than the checkpoint: change {now} is its last, and it was {then}"
            );
            report.find(Finding::new(Item::Storage, fault(detail)));
        }
    }

    /// Compares `key`, as it is now; `entry` is there if its rows are well.
    pub(in super::super) fn compare(
        &mut self,
        key: &KeyRow,
        entry: Option<&Entry>,
        report: &mut VerifyReport,
    ) {
        while let Some(then) = self.next.filter(|then| then.record < key.record) {
            self.gone.push(then.record);
            self.advance();
        }
        let then = self.next.filter(|then| then.record == key.record);
        if then.is_some() {
            self.advance();
        }
        let Some(now) = entry else { return };
        let detail = match then {
            None => self.compare_new(key),
            Some(_) if !self.signers.contains(&key.id.tenant) => {
                Some("the checkpoint has it, but not by the word of its tenant".to_owned())
            }
            Some(then) if now.generation < then.generation => Some(format!(
                "it is older than in the checkpoint: generation {}, and it was {}",
                now.generation, then.generation
            )),
            Some(then) if now.generation == then.generation && now.hash != then.hash => Some(
                "it is another than in the checkpoint, and says that it has not changed".to_owned(),
            ),
            Some(then) => {
                let same = now.generation == then.generation;
                *(if same { &mut self.compared.same } else { &mut self.compared.changed }) += 1;
                None
            }
        };
        if let Some(detail) = detail {
            report.find(Finding::new(Item::Key(key.id.clone()), fault(detail)));
        }
    }

    /// A key that is not in the checkpoint was stored after it: an older one was purged, and somebody
    /// has put it back.
    fn compare_new(&mut self, key: &KeyRow) -> Option<String> {
        self.compared.new += 1;
        let after = key.created_at.saturating_add(BESIDE) >= self.compared.made_at;
        (!after).then(|| "it is older than the checkpoint, and not in it".to_owned())
    }

    fn advance(&mut self) {
        let entry = self.bytes.get(self.rest.clone()).and_then(<[u8]>::first_chunk::<ENTRY>);
        self.next = entry.map(entry_of);
        self.rest.start = self.rest.end.min(self.rest.start + ENTRY);
    }

    /// What was compared, and the records that are gone.
    pub(super) fn end(mut self) -> (Compared, Vec<Uuid>) {
        while let Some(then) = self.next {
            self.gone.push(then.record);
            self.advance();
        }
        (self.compared, self.gone)
    }
}
