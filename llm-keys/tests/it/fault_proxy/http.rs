//! As much of HTTP/1.1 as a KMS client and a KMS speak: lengths, chunks, connections kept alive.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request or an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) first: String,
    /// Names in lower case. Lengths are not here, but come from the body.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, without chunks.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// An empty answer.
    pub(crate) fn answer(status: u16) -> Self {
        let first = format!("HTTP/1.1 {status} Scripted");
        Self { first, headers: Vec::new(), body: Vec::new() }
    }

    /// The same with this header, in place of those of that name.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(old, _)| old != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with this body.
    pub(crate) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The first header of that name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }

    /// First line and headers.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn parse(head: &str) -> Result<Self> {
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Option<_> = lines.map(header).collect();
        let headers = headers.ok_or_else(|| broken("a header without a colon"))?;
        Ok(Self { first, headers, body: Vec::new() })
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let value = self.header(name).map(str::to_owned);
        self.headers.retain(|(is, _)| is != name);
        value
    }
}

/// A connection, and what was read from it too early.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    early: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, early: Vec::new() }
    }

    /// The next request; `None` if the client has no more.
    pub(super) async fn request(&mut self) -> Result<Option<Message>> {
        if self.early.is_empty() && !self.more().await? {
            return Ok(None);
        }
        let mut request = self.head().await?;
        if request.take("expect").is_some() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        self.body(&mut request, Some(0)).await?;
        Ok(Some(request))
    }

    /// The answer to `request`, which was written to this connection.
    pub(super) async fn answer_to(&mut self, request: &Message) -> Result<Message> {
        let mut answer = self.head().await?;
        let status = answer.first.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_empty = request.first.starts_with("HEAD ") || status == "204" || status == "304";
        if is_empty {
            answer.take("content-length");
        } else {
            self.body(&mut answer, None).await?;
        }
        answer.take("connection");
        answer.take("keep-alive");
        Ok(answer)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Answers nothing until the client gives up.
    pub(super) async fn until_closed(&mut self) -> Result<()> {
        while self.more().await? {}
        Ok(())
    }

    /// Ends the connection by a reset.
    pub(super) fn reset(self) -> Result<()> {
        self.stream.set_zero_linger()
    }

    async fn head(&mut self) -> Result<Message> {
        let end = loop {
            if let Some(end) = self.early.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.need_more().await?;
        };
        let head = self.split(end + 4).await?;
        let head = str::from_utf8(&head[..end]).map_err(|_| broken("a head that is no text"))?;
        Message::parse(head)
    }

    /// Reads the body of `message`, of `default` bytes or to the end if its head does not say.
    async fn body(&mut self, message: &mut Message, default: Option<usize>) -> Result<()> {
        let length = message.take("content-length").map(|length| length.parse::<usize>());
        let length = length.transpose().map_err(|_| broken("a length that is no number"))?;
        if message.take("transfer-encoding").is_some() {
            loop {
                let size = self.line().await?;
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).map_err(|_| broken("a bad chunk"))?;
                if size == 0 {
                    // Trailers, and an empty line.
                    while !self.line().await?.is_empty() {}
                    return Ok(());
                }
                let chunk = self.split(size + 2).await?;
                message.body.extend_from_slice(&chunk[..size]);
            }
        }
        message.body = match length.or(default) {
            Some(length) => self.split(length).await?,
            None => {
                while self.more().await? {}
                std::mem::take(&mut self.early)
            }
        };
        Ok(())
    }

    async fn line(&mut self) -> Result<String> {
        let end = loop {
            if let Some(end) = self.early.windows(2).position(|two| two == b"\r\n") {
                break end;
            }
            self.need_more().await?;
        };
        let line = self.split(end + 2).await?;
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    /// The next `len` bytes.
    async fn split(&mut self, len: usize) -> Result<Vec<u8>> {
        while self.early.len() < len {
            self.need_more().await?;
        }
        let rest = self.early.split_off(len);
        Ok(std::mem::replace(&mut self.early, rest))
    }

    async fn need_more(&mut self) -> Result<()> {
        if self.more().await? { Ok(()) } else { Err(broken("an early end")) }
    }

    /// Reads some more; false at the end.
    async fn more(&mut self) -> Result<bool> {
        Ok(self.stream.read_buf(&mut self.early).await? > 0)
    }
}

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}
