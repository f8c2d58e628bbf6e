use std::path::Path;

use super::*;

/// A home with this settings file, or none.
fn home(folder: &Path, config: &str) -> Home {
    let home = Home::under(folder);
    if !config.is_empty() {
        std::fs::write(home.config_file(), config).unwrap();
    }
    home
}

fn resolve(args: GlobalArgs, config: &str, variables: &[(&str, &str)]) -> Result<Settings> {
    let folder = tempfile::tempdir().unwrap();
    Settings::from_parts(&args, home(folder.path(), config), |name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    })
}

fn database(args: GlobalArgs, config: &str, variables: &[(&str, &str)]) -> (String, Origin) {
    let settings = resolve(args, config, variables).unwrap();
    (settings.database, settings.database_from)
}

#[test]
fn the_database_is_flag_then_variables_then_file_then_default() {
    let flag = || GlobalArgs { database: Some("sqlite:/flag".to_owned()), ..Default::default() };
    let file = "database = \"sqlite:/file\"";
    let ours = ("LLM_KEYS_DATABASE_URL", "sqlite:/ours");
    let theirs = ("DATABASE_URL", "sqlite:/theirs");
    let said = |url: &str, from| (url.to_owned(), from);
    assert_eq!(database(flag(), file, &[ours, theirs]), said("sqlite:/flag", Origin::Flag));
    let none = GlobalArgs::default;
    let found = database(none(), file, &[theirs, ours]);
    assert_eq!(found, said("sqlite:/ours", Origin::Variable("LLM_KEYS_DATABASE_URL")));
    let found = database(none(), file, &[theirs, ("LLM_KEYS_DATABASE_URL", "")]);
    assert_eq!(found, said("sqlite:/theirs", Origin::Variable("DATABASE_URL")));
    assert_eq!(database(none(), file, &[]), said("sqlite:/file", Origin::File));
    let (url, from) = database(none(), "", &[]);
    assert!(url.starts_with("sqlite:/") && url.ends_with("/keys.db"), "{url}");
    assert_eq!(from, Origin::Default);
}

#[test]
fn kms_keys_are_flags_then_a_list_then_the_file() {
    let flags = vec!["local:/a".to_owned(), "local:/b".to_owned()];
    let args = GlobalArgs { kms: flags.clone(), ..Default::default() };
    let variable = [("LLM_KEYS_KMS", "local:/c, local:/d")];
    let file = "kms = [\"local:/e\"]";
    assert_eq!(resolve(args, file, &variable).unwrap().kms, flags);
    let settings = resolve(GlobalArgs::default(), file, &variable).unwrap();
    assert_eq!(settings.kms, ["local:/c", "local:/d"]);
    assert_eq!(settings.kms_from, Origin::Variable("LLM_KEYS_KMS"));
    assert_eq!(resolve(GlobalArgs::default(), file, &[]).unwrap().kms, ["local:/e"]);
    assert_eq!(resolve(GlobalArgs::default(), "", &[]).unwrap().kms_from, Origin::Default);
}

#[test]
fn the_cache_lives_as_the_variable_or_the_file_say() {
    let file = "cache.ttl = \"10m\"";
    let ttl = |variables: &[_]| resolve(GlobalArgs::default(), file, variables).unwrap().cache_ttl;
    assert_eq!(ttl(&[("LLM_KEYS_CACHE_TTL", "90")]), Some(Duration::from_secs(90)));
    assert_eq!(ttl(&[]), Some(Duration::from_secs(600)));
    assert_eq!(resolve(GlobalArgs::default(), "", &[]).unwrap().cache_ttl, None);
    for bad in ["soon", "-1", "1.5"] {
        let failure =
            resolve(GlobalArgs::default(), "", &[("LLM_KEYS_CACHE_TTL", bad)]).unwrap_err();
        assert!(failure.message().starts_with("LLM_KEYS_CACHE_TTL is not"), "{bad}");
    }
}

#[test]
fn a_settings_file_that_was_named_must_be_there() {
    let args = GlobalArgs { config: Some("/nowhere/config.toml".into()), ..Default::default() };
    assert!(matches!(resolve(args, "", &[]), Err(Failure::Usage { .. })));
}

#[test]
fn the_working_directory_has_no_say() {
    // Tests run in the crate's folder: a settings file in there must not be found.
    let settings = resolve(GlobalArgs::default(), "", &[]).unwrap();
    assert_eq!(settings.file, None);
}

#[test]
fn what_holds_in_trouble_is_said_by_a_variable_or_the_file() {
    let file = "kms_read = [\"local:/old\"]\nkms_quorum = 2\nkms_readable_context = true\n\
                check_on_start = true\ncache.serve_stale_for = \"10m\"";
    let from_file = resolve(GlobalArgs::default(), file, &[]).unwrap();
    assert_eq!(from_file.kms_read, ["local:/old"]);
    assert_eq!(from_file.kms_quorum, Some(2));
    assert!(from_file.kms_readable_context && from_file.check_on_start);
    assert_eq!(from_file.serve_stale_for, Some(Duration::from_secs(600)));

    let variables = [
        ("LLM_KEYS_KMS_READ", "local:/a,local:/b"),
        ("LLM_KEYS_KMS_QUORUM", "1"),
        ("LLM_KEYS_KMS_READABLE_CONTEXT", "false"),
        ("LLM_KEYS_CHECK_ON_START", "0"),
        ("LLM_KEYS_CACHE_SERVE_STALE_FOR", "5"),
    ];
    let said = resolve(GlobalArgs::default(), file, &variables).unwrap();
    assert_eq!(said.kms_read, ["local:/a", "local:/b"]);
    assert_eq!(said.kms_quorum, Some(1));
    assert!(!said.kms_readable_context && !said.check_on_start);
    assert_eq!(said.serve_stale_for, Some(Duration::from_secs(5)));

    let args = GlobalArgs { kms_quorum: Some("3".to_owned()), ..Default::default() };
    assert_eq!(resolve(args, file, &variables).unwrap().kms_quorum, Some(3));
    for (name, _) in &variables[1..] {
        assert!(resolve(GlobalArgs::default(), "", &[(*name, "perhaps")]).is_err(), "{name}");
    }
}

#[test]
fn what_is_kept_is_said_by_a_variable_or_the_file() {
    let file = "keep_versions = 3\nkeep_deleted = \"7d\"";
    let kept = |file: &str, variables: &[_]| {
        resolve(GlobalArgs::default(), file, variables).map(|settings| settings.retention)
    };
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(kept("", &[]).unwrap(), Retention::default());
    let said = kept(file, &[]).unwrap();
    assert_eq!((said.versions, said.deleted), (3, 7 * day));
    let variables = [("LLM_KEYS_KEEP_VERSIONS", "1"), ("LLM_KEYS_KEEP_DELETED", "0")];
    let said = kept(file, &variables).unwrap();
    assert_eq!((said.versions, said.deleted), (1, Duration::ZERO));
    for bad in ["0", "-1", "all"] {
        assert!(kept("", &[("LLM_KEYS_KEEP_VERSIONS", bad)]).is_err(), "{bad}");
    }
    assert!(kept("keep_versions = 0", &[]).is_err());
    assert!(kept("", &[("LLM_KEYS_KEEP_DELETED", "a while")]).is_err());
}
