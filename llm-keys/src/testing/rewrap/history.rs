//! Whether what was seen of one key could have happened one operation after the other.
//!
//! A key is a register: a store replaces its value, a read gives it. Here each store is told the
//! number of its version, so the order of the stores is known and there is nothing to search for. Put
//! each store at its number, and each read right behind the store whose number it saw: that is the only
//! order that a register allows. The history is linearizable exactly if this order agrees with real
//! time, which is: an operation that ended before another began has no higher number; if the other is
//! a store, a lower one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// One operation on one key that succeeded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Op {
    pub(super) is_store: bool,
    pub(super) version: u32,
    pub(super) value: String,
    /// Between two ticks of one clock that all tasks share.
    pub(super) began: u64,
    pub(super) ended: u64,
}

/// What all tasks did.
#[derive(Default, Debug)]
pub(super) struct History {
    ticks: AtomicU64,
    ops: Mutex<BTreeMap<usize, Vec<Op>>>,
}

impl History {
    /// A moment that is later than every one given before.
    pub(super) fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, SeqCst)
    }

    /// Notes an operation on key `key` that began at `began` and ends now.
    pub(super) fn note(&self, key: usize, began: u64, is_store: bool, version: u32, value: String) {
        let op = Op { is_store, version, value, began, ended: self.tick() };
        self.ops.lock().unwrap().entry(key).or_default().push(op);
    }

    /// How many operations there were; panics if those on one key are not linearizable.
    pub(super) fn check(&self) -> usize {
        let ops = self.ops.lock().unwrap();
        for (key, ops) in ops.iter() {
            if let Err(why) = linearizable(ops) {
                panic!("key {key}: {why}");
            }
        }
        ops.values().map(Vec::len).sum()
    }
}

/// Why `ops` on one key cannot have happened one after the other.
fn linearizable(ops: &[Op]) -> Result<(), String> {
    let mut values = BTreeMap::new();
    for op in ops.iter().filter(|op| op.is_store) {
        if values.insert(op.version, &op.value).is_some() {
            return Err(format!("version {} was given twice", op.version));
        }
    }
    for op in ops.iter().filter(|op| !op.is_store) {
        if values.get(&op.version) != Some(&&op.value) {
            return Err(format!("{op:?} saw what nobody stored"));
        }
    }
    let mut by_start: Vec<_> = ops.iter().collect();
    by_start.sort_by_key(|op| op.began);
    let mut by_end: Vec<_> = ops.iter().collect();
    by_end.sort_by_key(|op| op.ended);
    let mut ended = by_end.into_iter().peekable();
    let mut highest: Option<&Op> = None;
    for op in by_start {
        while let Some(before) = ended.next_if(|before| before.ended < op.began) {
            if highest.is_none_or(|highest| before.version > highest.version) {
                highest = Some(before);
            }
        }
        let Some(before) = highest else { continue };
        if before.version > op.version || op.is_store && before.version == op.version {
            return Err(format!("{before:?} ended before {op:?} began"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(is_store: bool, version: u32, began: u64, ended: u64) -> Op {
        Op { is_store, version, value: format!("v{version}"), began, ended }
    }

    #[test]
    fn what_a_register_can_do_is_accepted() {
        let first = op(true, 1, 0, 1);
        // A read at the same time as a store may see either value; two reads see them in order.
        for seen in [1, 2] {
            let ops = [first.clone(), op(true, 2, 2, 9), op(false, seen, 3, 4)];
            assert_eq!(linearizable(&ops), Ok(()));
        }
        let ops = [first, op(true, 2, 2, 9), op(false, 1, 3, 4), op(false, 2, 5, 6)];
        assert_eq!(linearizable(&ops), Ok(()));
    }

    #[test]
    fn what_it_cannot_do_is_refused() {
        let stores = [op(true, 1, 0, 1), op(true, 2, 2, 5)];
        for (why, more) in [
            ("a read of what was replaced before", vec![op(false, 1, 6, 7)]),
            ("two reads backwards", vec![op(false, 2, 3, 4), op(false, 1, 6, 7)]),
            ("a lost update", vec![op(true, 2, 6, 7)]),
            ("a store below one that ended", vec![op(true, 4, 6, 7), op(true, 3, 8, 9)]),
            ("a read before the store began", vec![op(false, 3, 6, 7), op(true, 3, 8, 9)]),
            ("a value from nowhere", vec![op(false, 3, 6, 7)]),
            ("another value", vec![Op { value: "x".into(), ..op(false, 2, 6, 7) }]),
        ] {
            let ops = [stores.as_slice(), &more].concat();
            assert!(linearizable(&ops).is_err(), "{why}");
        }
    }
}
