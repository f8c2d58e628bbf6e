//! The root over all entries: a Merkle tree as in RFC 9162, section 2.1, built entry by entry.

use aws_lc_rs::digest::{Context, SHA256};

/// A hash.
pub(super) type Hash = [u8; 32];

/// The tree so far: the roots of its full halves, largest first, each with how many entries it has.
#[derive(Default, Debug)]
pub(super) struct Tree(Vec<(u64, Hash)>);

impl Tree {
    /// Adds an entry.
    pub(super) fn add(&mut self, entry: &[u8]) {
        let mut last = (1, hash(&[&[0], entry]));
        while let Some(before) = self.0.pop_if(|before| before.0 == last.0) {
            last = (before.0 + last.0, hash(&[&[1], &before.1, &last.1]));
        }
        self.0.push(last);
    }

    /// The root; of no entries the hash of nothing.
    pub(super) fn root(&self) -> Hash {
        let mut halves = self.0.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = halves.next() else { return hash(&[]) };
        halves.fold(last, |right, left| hash(&[&[1], &left, &right]))
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the RFC defines it.
    fn defined(entries: &[&[u8]]) -> Hash {
        match entries.len() {
            0 => hash(&[]),
            1 => hash(&[&[0], entries[0]]),
            len => {
                let half = len.next_power_of_two() / 2;
                hash(&[&[1], &defined(&entries[..half]), &defined(&entries[half..])])
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        let all: Vec<_> = (0..40_u8).map(|number| vec![number; 3]).collect();
        let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        let mut tree = Tree::default();
        for (count, entry) in all.iter().enumerate() {
            assert_eq!(tree.root(), defined(&all[..count]), "{count}");
            tree.add(entry);
        }
        assert_eq!(tree.root(), defined(&all));
    }
}
