use super::*;

const GOOD: &str = "pkcs11:token=My%20token;object=k%C3%A4y;id=%01%fF;serial=ab12\
                    ?module-path=/usr/lib/p11.so&pin-source=file:/etc/pin";

fn refused(text: &str) -> String {
    let error = Pkcs11Uri::parse(text).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
    format!("{error:?}")
}

#[test]
fn every_attribute_is_read_and_decoded() {
    let uri = Pkcs11Uri::parse(GOOD).unwrap();
    assert_eq!(uri.token.label.as_deref(), Some("My token"));
    assert_eq!(uri.token.serial.as_deref(), Some("ab12"));
    assert_eq!(uri.object.as_deref(), Some("käy"));
    assert_eq!(uri.id.as_deref(), Some(&[1, 0xff][..]));
    assert_eq!(uri.module, Path::new("/usr/lib/p11.so"));
    assert_eq!(uri.pin_source.as_deref(), Some(Path::new("/etc/pin")));
    assert!(uri.former_serials.is_empty());
}

#[test]
fn a_pin_file_is_a_path_or_a_file_uri() {
    for source in ["/etc/pin", "file:/etc/pin", "file:///etc/pin", "file:%2Fetc/pin"] {
        let uri = format!("pkcs11:token=t;object=o?module-path=/m&pin-source={source}");
        let uri = Pkcs11Uri::parse(&uri).unwrap();
        assert_eq!(uri.pin_source.as_deref(), Some(Path::new("/etc/pin")), "{source}");
    }
    for source in ["pin", "file:pin", "|command", "/pin%00", "", "https:%2F%2Fhost"] {
        refused(&format!("pkcs11:token=t;object=o?module-path=/m&pin-source={source}"));
    }
}

#[test]
fn what_is_wrong_is_refused() {
    for bad in [
        "pkcs12:token=t;object=o?module-path=/m",
        "pkcs11:",
        "pkcs11:object=o?module-path=/m",
        "pkcs11:token=t?module-path=/m",
        "pkcs11:token=t;object=o",
        "pkcs11:token=t;object=o?module-path=m.so",
        "pkcs11:token=t;token=u;object=o?module-path=/m",
        "pkcs11:token=t;object=o;type=private?module-path=/m",
        "pkcs11:token=t;object=o;slot-id=1?module-path=/m",
        "pkcs11:token=t;object=o;color=red?module-path=/m",
        "pkcs11:token=t;object=o;what?module-path=/m",
        "pkcs11:token=t;object=%ff?module-path=/m",
        "pkcs11:token=t;object=%f?module-path=/m",
        "pkcs11:token=t;object=%+1?module-path=/m",
        "pkcs11:token=t;object=?module-path=/m",
        "pkcs11:token=my token;object=o?module-path=/m",
        "pkcs11:token=ü;object=o?module-path=/m",
        "pkcs11:token=t;object=o?module-path=/m&module-name=m",
        "pkcs11:token=t;object=o?module-path=/m&pin-value=1234",
    ] {
        refused(bad);
    }
}

#[test]
fn a_pin_is_never_repeated() {
    for uri in [
        "pkcs11:token=t;object=o?module-path=/m&pin-value=hunter2",
        "pkcs11:token=t;object=o;pin=hunter2?module-path=/m",
        "pkcs11:token=t;object=o;hunter2?module-path=/m",
        "pkcs11:token=t;object=o;hunter2=x?module-path=/m",
        "pkcs11:token=t;object=o?module-path=hunter2",
        "pkcs11:token=t;object=o?module-path=/m&pin-source=hunter2",
        "pkcs11:token=t;object=o;type=hunter2?module-path=/m",
    ] {
        assert!(!refused(uri).contains("hunter2"), "{uri}");
    }
    let said = refused("pkcs11:token=t;object=o?module-path=/m&pin-value=hunter2");
    assert!(said.contains("pin-source"), "{said}");
}

#[test]
fn one_key_has_one_spelling() {
    let whole = Identity { serial: "ab 12", token: "t", id: b"\x01k", object: "o" };
    assert_eq!(whole.uri().unwrap().as_str(), "pkcs11:serial=ab%2012;id=%01%6B");
    let labels = Identity { serial: "", token: "My token", id: b"", object: "ä;b" };
    assert_eq!(labels.uri().unwrap().as_str(), "pkcs11:token=My%20token;object=%C3%A4%3Bb");
    let long = Identity { id: &[7; 200], ..whole };
    assert!(long.uri().is_err(), "longer than an envelope takes");

    for same in [
        GOOD,
        "pkcs11:serial=ab12;id=%01%FF?module-path=/other",
        "pkcs11:id=%01%ff;serial=a%6212?module-path=/m",
    ] {
        let uri = Pkcs11Uri::parse(same).unwrap().identity().unwrap().unwrap();
        assert_eq!(uri.as_str(), "pkcs11:serial=ab12;id=%01%FF");
    }
    let labels = Pkcs11Uri::parse("pkcs11:token=t;object=o?module-path=/m").unwrap();
    assert!(labels.identity().is_none(), "only the token knows");
}
