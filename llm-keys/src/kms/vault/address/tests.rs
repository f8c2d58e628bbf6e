use super::*;

fn uri(text: &str) -> String {
    Address::parse(text).unwrap().uri.as_str().to_owned()
}

#[test]
fn one_key_has_one_uri() {
    let plain = "vault://vault.example.com:8200/transit/llm-keys";
    for text in [
        plain,
        "vault://Vault.Example.COM/transit/llm-keys",
        "vault://vault.example.com/transit/llm-keys?auth=approle&role=x&ca=/etc/ca.pem",
        "vault://vault.example.com/transit/llm-keys?tls=on",
    ] {
        assert_eq!(uri(text), plain, "{text}");
    }
    assert_eq!(uri("vault://[0::1]/a/k?tls=off"), "vault://[::1]:8200/a/k");
    let spaced = "vault://h:1/team/transit/k?auth=token&namespace=a/b";
    assert_eq!(uri(spaced), "vault://h:1/team/transit/k?namespace=a/b");
}

#[test]
fn options_say_how_to_get_there() {
    let address = Address::parse(
        "vault://127.0.0.1:8201/a/b/key?tls=off&auth=kubernetes&role=app&auth_mount=k8s/eu&ca=/a%20b",
    )
    .unwrap();
    assert_eq!(address.base(), "http://127.0.0.1:8201/v1/");
    assert_eq!((&*address.mount, &*address.key), ("a/b", "key"));
    assert_eq!((address.auth, address.role.as_deref()), (Auth::Kubernetes, Some("app")));
    assert_eq!(address.auth_mount, "k8s/eu");
    assert_eq!(address.ca, Some(PathBuf::from("/a b")));
    let address = Address::parse("vault://h/t/k?auth=approle").unwrap();
    assert_eq!((address.base().as_str(), &*address.auth_mount), ("https://h:8200/v1/", "approle"));
}

#[test]
fn without_tls_only_on_loopback() {
    for local in ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST"] {
        assert!(!Address::parse(&format!("vault://{local}/t/k?tls=off")).unwrap().tls);
        assert!(Address::parse(&format!("vault://{local}/t/k")).unwrap().tls);
    }
    for far in ["10.0.0.1", "[::]", "[fe80::1]", "0.0.0.0", "127.1", "localhost.example.com", "h"] {
        assert!(Address::parse(&format!("vault://{far}/t/k?tls=off")).is_err(), "{far}");
    }
}

#[test]
fn everything_else_is_refused_and_never_repeated() {
    for text in [
        "vault:Canary",
        "vault://",
        "vault://Canary",
        "vault://h/Canary",
        "vault://h//Canary",
        "vault://h/t/",
        "vault://h/t/../Canary",
        "vault://h/t/%43anary",
        "vault://h/t/k#Canary",
        "vault:///t/Canary",
        "vault://user:Canary@h/t/k",
        "vault://h:Canary/t/k",
        "vault://h:0/t/k",
        "vault://h:+1/t/k",
        "vault://h:65536/t/k",
        "vault://[::1/t/k",
        "vault://[::1]x/t/k",
        "vault://h/t/k?token=Canary",
        "vault://h/t/k?Canary",
        "vault://h/t/k?tls=Canary",
        "vault://h/t/k?auth=Canary",
        "vault://h/t/k?ca=Canary",
        "vault://h/t/k?ca=/%ff",
        "vault://h/t/k?role=",
        "vault://h/t/k?role=a&role=b",
        "vault://h/t/k?auth=kubernetes",
        "vault://h/t/k?namespace=../Canary",
    ] {
        let error = Address::parse(text).unwrap_err();
        assert!(!format!("{error:?}").contains("Canary"), "{error:?}");
    }
}
