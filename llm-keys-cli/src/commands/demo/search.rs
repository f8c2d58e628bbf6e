//! Looking for keys in the files of the database.

use std::path::Path;
use std::{fs, io};

/// How long a piece of a key is searched for, at least.
pub(super) const PIECE: usize = 8;

/// What was found.
pub(super) struct Found {
    /// How many bytes were searched.
    pub(super) bytes: usize,
    /// How often a word that must be there is there.
    pub(super) word: usize,
    /// How often a piece of a key is.
    pub(super) pieces: usize,
}

/// Searches `database` and the files that SQLite keeps beside it for `word` and for all pieces of
/// the secret parts of `keys`.
pub(super) fn run(database: &Path, word: &[u8], keys: &[String]) -> io::Result<Found> {
    let mut found = Found { bytes: 0, word: 0, pieces: 0 };
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut file = database.as_os_str().to_owned();
        file.push(end);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !end.is_empty() => continue,
            Err(error) => return Err(error),
        };
        found.bytes += bytes.len();
        found.word += count(&bytes, word);
        // `sk-demo-` is the same in all of them and no secret.
        let secrets = keys.iter().filter_map(|key| key.rsplit('-').next());
        for piece in secrets.flat_map(|secret| secret.as_bytes().windows(PIECE)) {
            found.pieces += count(&bytes, piece);
        }
    }
    Ok(found)
}

fn count(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).filter(|window| *window == wanted).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_key_is_found_in_each_file() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("keys.db");
        let keys = ["sk-demo-ghijklmnopqr".to_owned()];
        fs::write(&database, "anthropic and anthropic").unwrap();
        let found = run(&database, b"anthropic", &keys).unwrap();
        assert_eq!((found.bytes, found.word, found.pieces), (23, 2, 0));
        for end in ["-wal", "-shm", "-journal"] {
            let file = folder.path().join(format!("keys.db{end}"));
            fs::write(&file, "..ijklmnop..").unwrap();
            assert_eq!(run(&database, b"anthropic", &keys).unwrap().pieces, 1, "{end}");
            fs::remove_file(&file).unwrap();
        }
    }
}
