//! TLS with real certificates, and Unix sockets.

use llm_keys::KeyId;
use llm_keys::store::KeyStore as _;
use llm_keys_diesel::DieselStore;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::own::Own;
use crate::database::Kind;
use crate::fixture::new_key;

on_each_server! {
    only_the_right_server_is_talked_to
    a_socket_needs_no_tls
}

/// An authority: its certificate, and one for `localhost` with its key.
struct Authority {
    root: String,
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "test authority");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
        Self { root: root_pem, certificate: leaf.pem(), key: key.serialize_pem() }
    }
}

/// A server that takes TLS only.
fn server(kind: Kind, authority: &Authority) -> Own {
    let mut server = Own::new(kind);
    let certificate = server.file("server.pem", &authority.certificate);
    let key = server.file("server.key", &authority.key);
    match kind {
        Kind::Postgres => {
            let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
            let rules = server.file("rules", rules);
            let options = [
                "ssl=on".to_owned(),
                format!("ssl_cert_file={certificate}"),
                format!("ssl_key_file={key}"),
                format!("hba_file={rules}"),
            ];
            let options: Vec<_> =
                options.into_iter().flat_map(|option| ["-c".to_owned(), option]).collect();
            server.options(&options);
        }
        Kind::Mysql => server.options(&[
            format!("--ssl-cert={certificate}"),
            format!("--ssl-key={key}"),
            "--require-secure-transport=ON".to_owned(),
        ]),
    }
    server
}

async fn only_the_right_server_is_talked_to(kind: Kind) {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut server = server(kind, &ours);
    let (right, wrong) = (server.file("ours.pem", &ours.root), server.file("x.pem", &theirs.root));
    server.start();
    server.until_ready(&server.socket_url()).await;

    let url = |host: &str, roots: &str| format!("{}?sslrootcert={roots}", server.url_of(host));
    let store = DieselStore::open(&url("localhost", &right)).await.unwrap();
    let id = KeyId::global("openai").unwrap();
    store.commit(new_key(&id, 1)).await.unwrap();
    assert!(store.key_find(&id).await.unwrap().is_some());

    for (why, url) in [
        ("another authority", url("localhost", &wrong)),
        ("another host", url("127.0.0.1", &right)),
    ] {
        let error = DieselStore::connect(&url).await.unwrap_err();
        assert_eq!(error.kind().code(), "store_unavailable", "{why}: {error:?}");
        assert!(error.to_string().contains("certificate"), "{why}: {error:?}");
        assert!(error.hint().unwrap().contains("sslrootcert"), "{why}: {error:?}");
    }
    // The system does not trust our authority.
    let system = format!("{}?sslmode=verify-full", server.url_of("localhost"));
    DieselStore::connect(&system).await.unwrap_err();
    // The control: this server takes nothing but TLS.
    DieselStore::connect(&server.url_of("localhost")).await.unwrap_err();
    // Files that are none.
    let text = server.file("text", "no certificate");
    for file in [text.as_str(), "/nowhere/ca.pem"] {
        let error = DieselStore::connect(&url("localhost", file)).await.unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
    }
}

async fn a_socket_needs_no_tls(kind: Kind) {
    let mut server = Own::new(kind);
    server.start();
    server.until_ready(&server.socket_url()).await;
    let store = DieselStore::open(&server.socket_url()).await.unwrap();
    let id = KeyId::global("openai").unwrap();
    store.commit(new_key(&id, 1)).await.unwrap();
    assert!(store.key_find(&id).await.unwrap().is_some());
}

/// A password in the URL is in no error, whatever went wrong.
#[tokio::test]
async fn a_password_is_never_repeated() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [
        format!("postgres://u:hunter2@127.0.0.1:{closed}/d"),
        format!("mysql://u:hunter2@127.0.0.1:{closed}/d"),
        "postgres://u:hunter2@localhost/d?sslrootcert=/nowhere".to_owned(),
        "mysql://u:hunter2@localhost/d?sslrootcert=/nowhere".to_owned(),
    ] {
        let error = DieselStore::connect(&url).await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{url}");
    }
}
