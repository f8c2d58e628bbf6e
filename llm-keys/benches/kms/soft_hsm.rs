//! A PKCS#11 token, as SoftHSM 2 has it, and the call of `cryptoki`.

use std::hint::black_box;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};

use criterion::Criterion;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use llm_keys::kms::pkcs11::Pkcs11Kms;

use super::bed::Bed;
use super::pair::pair;
use super::variable;

/// Runs this program again with a token of its own, if there is SoftHSM; `None` in that process.
pub(crate) fn start_again() -> Option<ExitCode> {
    let util = std::env::var_os("LLM_KEYS_TEST_SOFTHSM2_UTIL")?;
    if std::env::var_os(FOLDER).is_some() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (tokens, file) = (folder.path().join("tokens"), folder.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    let tokens = tokens.display();
    let text =
        format!("directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n");
    std::fs::write(&file, text).unwrap();
    let mut init = Command::new(util);
    init.args(["--init-token", "--free", "--label", "bench", "--pin", PIN, "--so-pin", "5678"]);
    let made = init.env("SOFTHSM2_CONF", &file).stdout(Stdio::null()).status().unwrap();
    assert!(made.success(), "SoftHSM made no token");
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(std::env::args_os().skip(1)).env("SOFTHSM2_CONF", &file).env(FOLDER, folder.path());
    let code = again.status().unwrap().code().and_then(|code| u8::try_from(code).ok());
    Some(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

pub(crate) fn cold_get(c: &mut Criterion) {
    pair(c, "cold_get_pkcs11", open, bare);
}

type Token = (Arc<Mutex<Session>>, ObjectHandle);

async fn open() -> (Bed, Token) {
    let module = variable("LLM_KEYS_TEST_PKCS11_MODULE");
    let pkcs11 = Pkcs11::new(&module).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
    let session = pkcs11.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
    let key = session.generate_key(
        &Mechanism::AesKeyGen,
        &[
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Label(b"k".to_vec()),
            Attribute::Id(vec![1]),
            Attribute::ValueLen(32.into()),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ],
    );
    let pin = std::path::PathBuf::from(variable(FOLDER)).join("pin");
    std::fs::write(&pin, PIN).unwrap();
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o600)).unwrap();
    let pin = pin.display();
    let uri = format!("pkcs11:token=bench;object=k?module-path={module}&pin-source=file:{pin}");
    let bed = Bed::new(Pkcs11Kms::open(&uri).await.unwrap()).await;
    (bed, (Arc::new(Mutex::new(session)), key.unwrap()))
}

/// On a blocking thread, since a token may take long.
async fn bare(bed: &Bed, (session, key): &Token) {
    let (session, key) = (Arc::clone(session), *key);
    let (blob, context) = (bed.wrapped.blob.clone(), bed.context.canonical_bytes().to_vec());
    let call = tokio::task::spawn_blocking(move || {
        let (iv, sealed) = blob[1..].split_at(12);
        let mut iv = iv.to_vec();
        let params = GcmParams::new(&mut iv, &context, 128.into()).unwrap();
        session.lock().unwrap().decrypt(&Mechanism::AesGcm(params), key, sealed).unwrap()
    });
    black_box(call.await.unwrap());
}

const PIN: &str = "correct-horse";
const FOLDER: &str = "LLM_KEYS_TEST_SOFTHSM2_FOLDER";
