//! A fake Azure Key Vault for other programs: `fake-azure-kv CA.pem`.
//!
//! It writes the certificate of its authority to that file and its URL to the standard output,
//! holds the keys `main`, `rotated` (two versions), `disabled` and `expired`, and ends when the
//! standard input does.

use std::io::{self, Write as _};

use testkit::azure::{FakeKeyVault, State};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> io::Result<()> {
    let file = std::env::args_os().nth(1);
    let file = file.ok_or_else(|| io::Error::other("usage: fake-azure-kv CA.pem"))?;
    let fake = FakeKeyVault::start("fake.vault.azure.net").await?;
    for name in ["main", "rotated", "rotated", "disabled", "expired"] {
        fake.vault().create(name)?;
    }
    fake.vault().set_state("disabled", State::Disabled);
    fake.vault().set_state("expired", State::Expired);
    std::fs::write(file, fake.ca_pem())?;
    writeln!(io::stdout(), "https://localhost:{}", fake.address().port())?;

    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    Ok(())
}
