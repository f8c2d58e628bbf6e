//! A proxy that stands before a real KMS on plain HTTP and plays trouble on the wire by a script.
//!
//! ```ignore
//! let proxy = FaultProxy::start("http://127.0.0.1:4566").await;
//! proxy.next(2, Fault::status(503, "later")); // two requests
//! proxy.always(Fault::Hang);                  // and all after them
//! let kms = open(&proxy.url()).await;
//! assert_eq!(proxy.requests(), 2);
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use self::fault::Fault;
pub(crate) use self::http::Message;

use self::http::Connection;

mod fault;
mod http;
mod tests;

/// The proxy, on a loopback port of its own; it ends with this value.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts before `upstream`, such as `http://[::1]:4566`, and passes everything on.
    pub(crate) async fn start(upstream: &str) -> Self {
        let upstream = upstream.strip_prefix("http://").expect("a plain HTTP upstream");
        let upstream = upstream.trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { upstream, script: Mutex::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same without the scheme.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this to the next `times` requests that the script does not speak of yet.
    pub(crate) fn next(&self, times: usize, fault: Fault) {
        self.shared.script().steps.extend(std::iter::repeat_n(fault, times));
    }

    /// Does this to all requests that come after the steps of [`next`](Self::next).
    pub(crate) fn always(&self, fault: Fault) {
        self.shared.script().rest = fault;
    }

    /// Forgets the script: everything passes from now on.
    pub(crate) fn heal(&self) {
        let mut script = self.shared.script();
        script.steps.clear();
        script.rest = Fault::Pass;
    }

    /// Plays and counts only requests with `text` in their head, such as `TrentService.Decrypt` or
    /// `/datakey/`. Others pass.
    pub(crate) fn only(&self, text: &str) {
        text.clone_into(&mut self.shared.script().only);
    }

    /// Forgets the requests that came.
    pub(crate) fn forget(&self) {
        self.shared.script().seen.clear();
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.seen().len()
    }

    /// The requests that came, in their order.
    pub(crate) fn seen(&self) -> Vec<Message> {
        self.shared.script().seen.clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.script().connections
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    script: Mutex<Script>,
}

#[derive(Default, Debug)]
struct Script {
    steps: VecDeque<Fault>,
    rest: Fault,
    only: String,
    seen: Vec<Message>,
    connections: usize,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Notes `request`, and says what happens to it.
    fn fault_of(&self, request: &Message) -> Fault {
        let mut script = self.script();
        if !request.head().contains(&script.only) {
            return Fault::Pass;
        }
        script.seen.push(request.clone());
        script.steps.pop_front().unwrap_or_else(|| script.rest.clone())
    }

    async fn ask(&self, request: &Message) -> std::io::Result<Message> {
        let mut upstream = Connection::new(TcpStream::connect(&self.upstream).await?);
        upstream.write(&request.clone().with_header("connection", "close").to_bytes()).await?;
        upstream.answer_to(request).await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.script().connections += 1;
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A client that goes away ends its connection and nothing else.
            let _ = serve(Connection::new(stream), &shared).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: Connection, shared: &Shared) -> std::io::Result<()> {
    while let Some(request) = client.request().await? {
        let fault = shared.fault_of(&request);
        let answer = match &fault {
            Fault::Hang => return client.until_closed().await,
            Fault::Reset => return client.reset(),
            Fault::Close => return Ok(()),
            Fault::Answer(answer) => answer.clone(),
            Fault::Pass | Fault::Half | Fault::Drip(_) | Fault::Late(_) | Fault::Rewrite(_) => {
                shared.ask(&request).await?
            }
        };
        match fault {
            Fault::Half => {
                let bytes = answer.to_bytes();
                let half = bytes.len() - answer.body.len().div_ceil(2);
                return client.write(&bytes[..half]).await;
            }
            Fault::Drip(pause) => {
                for byte in answer.to_bytes() {
                    tokio::time::sleep(pause).await;
                    client.write(&[byte]).await?;
                }
            }
            Fault::Late(pause) => {
                tokio::time::sleep(pause).await;
                client.write(&answer.to_bytes()).await?;
            }
            Fault::Rewrite(rewrite) => {
                let body = (rewrite.0)(&answer.body);
                client.write(&Message { body, ..answer }.to_bytes()).await?;
            }
            _ => client.write(&answer.to_bytes()).await?,
        }
        if request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            break;
        }
    }
    Ok(())
}
