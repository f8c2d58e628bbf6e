//! What can happen to a request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Message;

/// What the proxy does to one request.
#[derive(Clone, Default, Debug)]
pub(crate) enum Fault {
    /// Nothing: the upstream answers.
    #[default]
    Pass,
    /// The upstream is not asked; this is the answer.
    Answer(Message),
    /// No answer, for as long as the client waits.
    Hang,
    /// The connection ends without an answer, in order.
    Close,
    /// The connection breaks without an answer.
    Reset,
    /// The upstream's head and half of its body, and then the connection ends.
    Half,
    /// The upstream's answer, with this pause before each byte.
    Drip(Duration),
    /// The upstream's answer, after this pause.
    Late(Duration),
    /// The upstream's answer with another body.
    Rewrite(Rewrite),
}

impl Fault {
    /// An answer of `status` with `body`, as JSON.
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Answer(
            Message::answer(status)
                .with_header("content-type", "application/json")
                .with_body(body.as_bytes().to_vec()),
        )
    }

    /// What AWS KMS says if there are too many requests.
    pub(crate) fn aws_throttle() -> Self {
        Self::Answer(
            Message::answer(400)
                .with_header("content-type", "application/x-amz-json-1.1")
                .with_header("x-amzn-errortype", "ThrottlingException")
                .with_body(
                    br#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_vec(),
                ),
        )
    }

    /// The upstream's status with a body that is no JSON.
    pub(crate) fn bad_json() -> Self {
        Self::rewrite(|_| br#"{"Plaintext": "#.to_vec())
    }

    /// The upstream's answer with the body that `rewrite` makes of its body.
    pub(crate) fn rewrite(rewrite: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::Rewrite(Rewrite(Arc::new(rewrite)))
    }

    /// The upstream's JSON with `value` where `pointer` (RFC 6901, such as `/data/plaintext`)
    /// points to.
    pub(crate) fn json(pointer: &'static str, value: serde_json::Value) -> Self {
        Self::rewrite(move |body| {
            let mut json: serde_json::Value = serde_json::from_slice(body).unwrap();
            let place = json.pointer_mut(pointer);
            *place.unwrap_or_else(|| panic!("no {pointer} in the answer")) = value.clone();
            json.to_string().into_bytes()
        })
    }
}

/// Makes another body of a body.
#[derive(Clone)]
pub(crate) struct Rewrite(pub(super) Arc<Rewriter>);

type Rewriter = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rewrite(..)")
    }
}
