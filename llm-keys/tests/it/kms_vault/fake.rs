//! A fake of the HTTP side, for what no real server does on demand: it answers as a function says
//! and remembers what it was asked.

use std::sync::{Arc, Mutex};

use llm_keys::kms::vault::{VaultKms, VaultOptions};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Method and path.
    pub(super) line: String,
    /// In lower case.
    pub(super) head: String,
    pub(super) body: Value,
}

/// A status line with headers, a body, and whether to hang up before the body is whole.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
    pub(super) cut: bool,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into(), cut: false }
    }
}

pub(super) struct Fake {
    pub(super) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(super) async fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, reply) = (Arc::new(Mutex::new(Vec::new())), Arc::new(reply));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                tokio::spawn(async move { serve(stream, &log, &*reply).await });
            }
        });
        Self { port, asked }
    }

    pub(super) async fn open(&self, more: &str, options: VaultOptions) -> VaultKms {
        let uri = format!("vault://127.0.0.1:{}/transit/k?tls=off{more}", self.port);
        VaultKms::open(&uri, options).await.unwrap()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    reply: &(impl Fn(&Asked) -> Reply + ?Sized),
) {
    let mut bytes = Vec::new();
    let asked = loop {
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return,
        }
        if let Some(asked) = parse(&bytes) {
            break asked;
        }
    };
    log.lock().unwrap().push(asked.clone());
    let Reply { status, headers, body, cut } = reply(&asked);
    let len = body.len() + usize::from(cut);
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {len}\r\nconnection: close\r\n{headers}\r\n"
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    let _ = stream.shutdown().await;
}

fn parse(bytes: &[u8]) -> Option<Asked> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (line, head) = head.split_once("\r\n")?;
    let head = head.to_lowercase();
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    if body.len() < len.parse().unwrap() {
        return None;
    }
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, head, body: serde_json::from_str(body).unwrap_or(Value::Null) })
}
