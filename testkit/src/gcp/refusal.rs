//! Errors as Google writes them: `google.rpc.Status` in JSON.

use hyper::StatusCode;
use serde_json::{Value, json};

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    code: u16,
    status: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    pub(super) fn missing(what: &str) -> Self {
        Self::new(404, "NOT_FOUND", format!("{what} not found."))
    }

    pub(super) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "error": { "code": self.code, "message": self.message, "status": self.status }
        })
    }
}
