//! Tokens of SoftHSM2, a folder of them for each test.
//!
//! SoftHSM2 reads the path of its configuration from the environment of the process, once, and a
//! program with threads cannot change its own. So each test starts this binary again for itself
//! alone, with the path set.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use llm_keys::Result;
use llm_keys::kms::pkcs11::Pkcs11Kms;

pub(super) const PIN: &str = "correct-horse";

/// SoftHSM2 with no token yet.
#[derive(Debug)]
pub(super) struct SoftHsm {
    folder: PathBuf,
}

impl SoftHsm {
    /// In the process that has a SoftHSM2 of its own: that. In the one that the test runner
    /// started: runs the test `name` of `module` in such a process, and then there is nothing left
    /// to do, which is `None`.
    pub(super) fn of_test(module: &str, name: &str) -> Option<Self> {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return Some(Self { folder: folder.into() });
        }
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let configuration = folder.path().join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(&configuration, text).unwrap();
        // The first part of a module's path is the crate, which the test runner leaves out.
        let (_, module) = module.split_once("::").unwrap();
        let test = Command::new(std::env::current_exe().unwrap())
            .args([&format!("{module}::{name}"), "--exact", "--nocapture"])
            .env("SOFTHSM2_CONF", configuration)
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&test.stdout), String::from_utf8_lossy(&test.stderr));
        assert!(test.status.success() && out.contains("1 passed"), "{out}\n{err}");
        None
    }

    /// A new token, and its serial number. In processes of their own, because a module that is
    /// loaded does not look for new tokens.
    pub(super) fn add_token(&self, label: &str) -> String {
        let before = serials();
        run(&["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "5678"]);
        serials().into_iter().find(|serial| !before.contains(serial)).unwrap()
    }

    /// A key that cannot be read out, made in the token.
    pub(super) fn add_key(&self, token: &str, label: &str, id: &[u8]) {
        self.add_key_of(token, label, id, 32, &[]);
    }

    /// The same with another length in bytes and more attributes.
    pub(super) fn add_key_of(
        &self,
        token: &str,
        label: &str,
        id: &[u8],
        len: u64,
        more: &[Attribute],
    ) {
        let mut template = vec![
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::ValueLen(len.into()),
        ];
        if !id.is_empty() {
            template.push(Attribute::Id(id.to_vec()));
        }
        if more.is_empty() {
            template.extend([Attribute::Encrypt(true), Attribute::Decrypt(true)]);
        }
        template.extend_from_slice(more);
        self.session(token).generate_key(&Mechanism::AesKeyGen, &template).unwrap();
    }

    /// Deletes the keys of that label.
    pub(super) fn delete_key(&self, token: &str, label: &str) {
        let session = self.session(token);
        let label = Attribute::Label(label.as_bytes().to_vec());
        for key in session.find_objects(&[label]).unwrap() {
            session.destroy_object(key).unwrap();
        }
    }

    /// A session of the user, beside those of the backend.
    pub(super) fn session(&self, token: &str) -> Session {
        let pkcs11 = Pkcs11::new(module()).unwrap();
        // The backend may have done so, or does it later.
        let _ = pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        let slots = pkcs11.get_slots_with_initialized_token().unwrap();
        let slot =
            slots.into_iter().find(|slot| pkcs11.get_token_info(*slot).unwrap().label() == token);
        let session = pkcs11.open_rw_session(slot.unwrap()).unwrap();
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN)));
        session
    }

    /// Where SoftHSM2 keeps its tokens.
    pub(super) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    /// A file of mode 0600 with `pin`.
    pub(super) fn pin_file(&self, pin: &str) -> PathBuf {
        let path = self.folder.join("pin");
        std::fs::write(&path, format!("{pin}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The settings URI of what `path` names, such as `token=t;object=o`.
    pub(super) fn uri(&self, path: &str) -> String {
        self.uri_with(path, &self.pin_file(PIN))
    }

    /// The same with this PIN file.
    pub(super) fn uri_with(&self, path: &str, pin: &Path) -> String {
        format!("pkcs11:{path}?module-path={}&pin-source=file:{}", module(), pin.display())
    }

    pub(super) async fn open(&self, path: &str) -> Result<Pkcs11Kms> {
        Pkcs11Kms::open(&self.uri(path)).await
    }
}

/// The path of SoftHSM2's library.
pub(super) fn module() -> String {
    variable("LLM_KEYS_TEST_PKCS11_MODULE")
}

/// The serial numbers of all tokens.
fn serials() -> Vec<String> {
    let shown = run(&["--show-slots"]);
    let serial = |line: &str| Some(line.trim().strip_prefix("Serial number:")?.trim().to_owned());
    shown.lines().filter_map(serial).filter(|serial| !serial.is_empty()).collect()
}

fn run(args: &[&str]) -> String {
    let util = variable("LLM_KEYS_TEST_SOFTHSM2_UTIL");
    let done = Command::new(util).args(args).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("set {name}, or run `cargo xtask test`"))
}

/// Makes `$hsm` of the test `$name`, or ends the test because it ran in a process of its own.
macro_rules! soft_hsm {
    ($name:literal) => {
        match $crate::kms_pkcs11::soft_hsm::SoftHsm::of_test(module_path!(), $name) {
            Some(hsm) => hsm,
            None => return,
        }
    };
}
pub(super) use soft_hsm;

const FOLDER: &str = "LLM_KEYS_TEST_SOFTHSM2_FOLDER";
