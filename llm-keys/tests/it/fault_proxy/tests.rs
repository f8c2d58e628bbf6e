//! The proxy itself, before an upstream that answers what it is asked.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::http::Connection;
use super::{Fault, FaultProxy, Message};

/// An upstream that answers `{"asked": BODY, "key": "k1"}`, in chunks if the path says so.
async fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = Connection::new(stream);
                while let Ok(Some(request)) = client.request().await {
                    let asked = String::from_utf8(request.body.clone()).unwrap();
                    let body = serde_json::json!({"asked": asked, "key": "k1"}).to_string();
                    let bytes = if request.first.contains("/chunks") {
                        let (a, b) = body.split_at(7);
                        format!(
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                             7\r\n{a}\r\n{:x};x=y\r\n{b}\r\n0\r\n\r\n",
                            b.len()
                        )
                        .into_bytes()
                    } else {
                        Message::answer(200).with_body(body.into_bytes()).to_bytes()
                    };
                    client.write(&bytes).await.unwrap();
                }
            });
        }
    });
    url
}

struct Client(Connection);

impl Client {
    async fn new(proxy: &FaultProxy) -> Self {
        Self(Connection::new(TcpStream::connect(proxy.address).await.unwrap()))
    }

    async fn ask(&mut self, path: &str, body: &str) -> io::Result<Message> {
        let request = Message {
            first: format!("POST {path} HTTP/1.1"),
            headers: vec![("host".to_owned(), "kms".to_owned())],
            body: body.as_bytes().to_vec(),
        };
        self.0.write(&request.to_bytes()).await?;
        self.0.answer_to(&request).await
    }
}

async fn ask(proxy: &FaultProxy) -> io::Result<Message> {
    Client::new(proxy).await.ask("/", "x").await
}

fn status(answer: io::Result<Message>) -> String {
    answer.unwrap().first.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn requests_pass_and_are_counted() {
    let proxy = FaultProxy::start(&upstream().await).await;
    let mut client = Client::new(&proxy).await;
    for path in ["/plain", "/chunks", "/plain"] {
        let answer = client.ask(path, "häl\"lo").await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["asked"], "häl\"lo");
    }
    assert_eq!((proxy.requests(), proxy.connections()), (3, 1));
    assert_eq!(proxy.seen()[1].first, "POST /chunks HTTP/1.1");
    assert_eq!(proxy.seen()[1].header("host"), Some("kms"));
    assert!(proxy.url().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn a_script_is_played_in_order() {
    let proxy = FaultProxy::start(&upstream().await).await;
    proxy.next(2, Fault::aws_throttle());
    proxy.next(1, Fault::status(503, "{}"));
    proxy.always(Fault::Answer(Message::answer(500)));
    let mut client = Client::new(&proxy).await;
    let throttled = client.ask("/", "x").await.unwrap();
    assert_eq!(throttled.header("x-amzn-errortype"), Some("ThrottlingException"));
    assert_eq!(status(Ok(throttled)), "400");
    for expected in ["400", "503", "500", "500"] {
        assert_eq!(status(client.ask("/", "x").await), expected);
    }
    proxy.heal();
    assert_eq!(status(client.ask("/", "x").await), "200");
    assert_eq!((proxy.requests(), proxy.connections()), (6, 1));
}

#[tokio::test]
async fn only_what_is_meant_is_played() {
    let proxy = FaultProxy::start(&upstream().await).await;
    proxy.only("/decrypt/");
    proxy.always(Fault::Reset);
    let mut client = Client::new(&proxy).await;
    assert_eq!(status(client.ask("/login", "x").await), "200");
    assert!(client.ask("/decrypt/k", "x").await.is_err());
    assert_eq!(proxy.requests(), 1);
}

#[tokio::test]
async fn connections_end_as_asked() {
    let proxy = FaultProxy::start(&upstream().await).await;
    proxy.next(1, Fault::Reset);
    proxy.next(1, Fault::Close);
    proxy.next(1, Fault::Half);
    let error = ask(&proxy).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    for _ in 0..2 {
        let error = ask(&proxy).await.unwrap_err();
        assert_eq!(error.to_string(), "an early end");
    }
    assert_eq!(status(ask(&proxy).await), "200");
}

#[tokio::test]
async fn answers_can_be_late_slow_or_never_come() {
    let proxy = FaultProxy::start(&upstream().await).await;
    let short = Duration::from_millis(50);
    proxy.next(1, Fault::Hang);
    proxy.next(1, Fault::Late(Duration::from_secs(60)));
    proxy.next(1, Fault::Drip(Duration::from_millis(20)));
    for _ in 0..3 {
        assert!(timeout(short, ask(&proxy)).await.is_err());
    }
    proxy.next(1, Fault::Late(short));
    assert_eq!(status(ask(&proxy).await), "200");
    proxy.next(1, Fault::Drip(Duration::from_micros(10)));
    assert_eq!(status(ask(&proxy).await), "200");
}

#[tokio::test]
async fn bodies_can_be_changed() {
    let proxy = FaultProxy::start(&upstream().await).await;
    proxy.next(1, Fault::bad_json());
    proxy.next(1, Fault::json("/key", "k2".into()));
    proxy.next(1, Fault::rewrite(|body| body.to_ascii_uppercase()));
    let mut client = Client::new(&proxy).await;
    let answer = client.ask("/", "x").await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
    let answer = client.ask("/chunks", "x").await.unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["key"], "k2");
    let answer = client.ask("/", "x").await.unwrap();
    assert!(answer.body.starts_with(b"{\"ASKED\""));
}

#[tokio::test]
async fn it_ends_with_its_value() {
    let proxy = FaultProxy::start(&upstream().await).await;
    let mut client = Client::new(&proxy).await;
    assert_eq!(status(client.ask("/", "x").await), "200");
    let address = proxy.address;
    drop(proxy);
    assert!(client.ask("/", "x").await.is_err());
    assert!(TcpStream::connect(address).await.is_err());
}
