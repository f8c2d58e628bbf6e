//! The methods of the API: which request means what.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Uri};
use serde_json::{Value, json};

use super::crypt::{put_bytes, take_bytes};
use super::keys::{Keys, State};
use super::refusal::Refusal;
use super::trouble::Trouble;

/// What all connections share.
#[derive(Debug, Default)]
pub(super) struct Api {
    keys: Mutex<Keys>,
    script: Mutex<VecDeque<Trouble>>,
    requests: AtomicUsize,
    authorization: Mutex<Option<String>>,
    denied: Mutex<BTreeSet<String>>,
}

impl Api {
    pub(super) fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn script(&self) -> MutexGuard<'_, VecDeque<Trouble>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(super) fn last_authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn denied(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a request of somebody who is denied everything.
    pub(super) fn permit<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let token = request.headers().get(AUTHORIZATION).and_then(|token| token.to_str().ok());
        match token.and_then(issuer) {
            Some(email) if self.denied().contains(&email) => Err(Refusal::new(
                403,
                "PERMISSION_DENIED",
                format!("Permission denied on resource '{}'.", request.uri().path()),
            )),
            _ => Ok(()),
        }
    }

    /// Counts a request, and says what shall go wrong with it.
    pub(super) fn arrived<B>(&self, request: &Request<B>) -> Option<Trouble> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let token = request.headers().get(AUTHORIZATION);
        let token = token.and_then(|token| token.to_str().ok()).map(str::to_owned);
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = token;
        self.script().pop_front()
    }

    pub(super) fn call(&self, method: &Method, uri: &Uri, body: &Value) -> Result<Value, Refusal> {
        let nowhere = || Refusal::new(404, "NOT_FOUND", "Method not found.");
        let path = uri.path().strip_prefix("/v1/").ok_or_else(nowhere)?;
        // A project may have a colon, but not the last segment.
        let (resource, verb) = match path.rsplit_once(':') {
            Some((resource, verb)) if !verb.contains('/') => (resource, verb),
            _ => (path, ""),
        };
        let segments: Vec<&str> = resource.split('/').collect();
        let at = |kind: usize, name: &str| segments.get(kind) == Some(&name);
        if !(at(0, "projects") && at(2, "locations") && at(4, "keyRings")) {
            return Err(nowhere());
        }
        match (method.as_str(), segments.len(), verb) {
            ("POST", 5, "") => {
                let ring = format!("{resource}/{}", parameter(uri, "keyRingId")?);
                self.keys().add_ring(&ring)
            }
            ("GET", 6, "") => self.keys().ring(resource),
            ("POST", 7, "") if at(6, "cryptoKeys") => {
                let key = format!("{resource}/{}", parameter(uri, "cryptoKeyId")?);
                self.keys().add_key(&key)
            }
            ("GET", 8, "") if at(6, "cryptoKeys") => self.keys().key_json(resource),
            ("POST", 8 | 10, "encrypt") if at(6, "cryptoKeys") => self.encrypt(resource, body),
            ("POST", 8, "decrypt") if at(6, "cryptoKeys") => self.decrypt(resource, body),
            ("POST", 8, "updatePrimaryVersion") if at(6, "cryptoKeys") => {
                let version = body["cryptoKeyVersionId"].as_str().unwrap_or_default();
                let version = number(version)?;
                let mut keys = self.keys();
                keys.set_primary(resource, version)?;
                keys.key_json(resource)
            }
            ("POST", 9, "") if at(8, "cryptoKeyVersions") => {
                let key = parent(resource);
                let mut keys = self.keys();
                let version = keys.add_version(key)?;
                keys.version_json(key, version)
            }
            ("GET", 10, "") if at(8, "cryptoKeyVersions") => {
                let (key, version) = key_and_version(resource)?;
                self.keys().version_json(key, version)
            }
            ("PATCH", 10, "") if at(8, "cryptoKeyVersions") => {
                let state = State::parse(&body["state"]);
                let state = state.ok_or_else(|| Refusal::invalid("no state that we know"))?;
                self.change(resource, state)
            }
            ("POST", 10, "destroy") if at(8, "cryptoKeyVersions") => {
                self.change(resource, State::DestroyScheduled)
            }
            _ => Err(nowhere()),
        }
    }

    fn change(&self, resource: &str, state: State) -> Result<Value, Refusal> {
        let (key, version) = key_and_version(resource)?;
        let mut keys = self.keys();
        keys.set_state(key, version, state);
        keys.version_json(key, version)
    }

    fn encrypt(&self, resource: &str, body: &Value) -> Result<Value, Refusal> {
        let (plaintext, checked) = take_bytes(body, "plaintext")?;
        let (aad, aad_checked) = take_bytes(body, "additionalAuthenticatedData")?;
        if plaintext.len().max(aad.len()) > MAX_FIELD {
            return Err(Refusal::invalid("a field is longer than 64 KiB"));
        }
        let keys = self.keys();
        let (key, version) = match key_and_version(resource) {
            Ok(named) => named,
            Err(_) => (resource, keys.primary(resource)?),
        };
        let sealed = keys.enabled(key, version)?.material.seal(&plaintext, &aad);
        let sealed = sealed.map_err(|_| Refusal::new(500, "INTERNAL", "Internal error."))?;
        let blob = [&version.to_be_bytes()[..], &sealed].concat();
        let mut answer = json!({
            "name": format!("{key}/cryptoKeyVersions/{version}"),
            "protectionLevel": "SOFTWARE"
        });
        put_bytes(&mut answer, "ciphertext", &blob);
        // A field that is false is left out.
        if checked {
            answer["verifiedPlaintextCrc32c"] = json!(true);
        }
        if aad_checked {
            answer["verifiedAdditionalAuthenticatedDataCrc32c"] = json!(true);
        }
        Ok(answer)
    }

    fn decrypt(&self, key: &str, body: &Value) -> Result<Value, Refusal> {
        let (blob, _) = take_bytes(body, "ciphertext")?;
        let (aad, _) = take_bytes(body, "additionalAuthenticatedData")?;
        let failed = || {
            Refusal::invalid(
                "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
            )
        };
        let keys = self.keys();
        let primary = keys.primary(key)?;
        let (version, sealed) = blob.split_first_chunk::<4>().ok_or_else(failed)?;
        let version = u32::from_be_bytes(*version);
        keys.version_json(key, version).map_err(|_| failed())?;
        let material = &keys.enabled(key, version)?.material;
        let plaintext = material.open(sealed, &aad).map_err(|_| failed())?;
        let mut answer = json!({ "protectionLevel": "SOFTWARE" });
        put_bytes(&mut answer, "plaintext", &plaintext);
        if version == primary {
            answer["usedPrimary"] = json!(true);
        }
        Ok(answer)
    }
}

/// Who signed a token: the claim `iss`, which for a service account is its address.
fn issuer(authorization: &str) -> Option<String> {
    let claims = authorization.strip_prefix("Bearer ")?.split('.').nth(1)?;
    let claims = Base64UrlUnpadded::decode_vec(claims).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["iss"].as_str()?.to_owned())
}

fn parameter<'a>(uri: &'a Uri, name: &str) -> Result<&'a str, Refusal> {
    let query = uri.query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .ok_or_else(|| Refusal::invalid(format!("{name} is missing")))
}

fn key_and_version(resource: &str) -> Result<(&str, u32), Refusal> {
    let (key, version) = resource
        .split_once("/cryptoKeyVersions/")
        .ok_or_else(|| Refusal::invalid("no version is named"))?;
    Ok((key, number(version)?))
}

fn number(version: &str) -> Result<u32, Refusal> {
    version.parse().map_err(|_| Refusal::invalid("a version is a number"))
}

fn parent(resource: &str) -> &str {
    resource.rsplit_once('/').map_or(resource, |(parent, _)| parent)
}

const MAX_FIELD: usize = 64 * 1024;
