//! Values that look like keys and open nothing.

use llm_keys::{Random, Result};

/// `sk-demo-` and 40 random letters, in which no hexadecimal id of a database can be found.
pub(super) fn key(random: &dyn Random) -> Result<String> {
    let mut bytes = [0; 40];
    random.fill(&mut bytes)?;
    let letters = bytes.iter().map(|byte| char::from(b'g' + byte % 20));
    Ok("sk-demo-".chars().chain(letters).collect())
}
