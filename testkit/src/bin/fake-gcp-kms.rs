//! `fake-gcp-kms [PORT]`: the fake of Google Cloud KMS on loopback, for tests. It says where it
//! listens on its first line, and ends when its input does, so that it never outlives who started it.

use testkit::gcp::FakeGcpKms;
use tokio::io::AsyncReadExt as _;

#[expect(clippy::print_stdout, reason = "the address is what it is started for")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let fake = FakeGcpKms::start(port).await?;
    println!("{}", fake.endpoint());
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 64];
    while input.read(&mut ignored).await? > 0 {}
    Ok(())
}
