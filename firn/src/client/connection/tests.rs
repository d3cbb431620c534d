use super::*;

const PROFILE: &str = r#"
[default]
url = "http://profile:1/"
instance = "from-profile"
access_key = "pk"
secret_key = "ps"
username = "person"
password = "pw"
tenant = "2"

[bare]
url = "http://bare:1"
"#;

fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let found = pairs.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

fn application(key: &str, secret: &str) -> Identity {
    Identity::Application {
        access_key: key.to_owned(),
        secret_key: Secret::new(secret),
    }
}

fn resolve(
    flags: &ConnectionFlags,
    vars: &'static [(&'static str, &'static str)],
    prefer: Prefer,
) -> Result<Connection, Failure> {
    Connection::resolve(flags, &env(vars), Some(PROFILE), prefer)
}

#[test]
fn nothing_given_means_the_local_server() {
    let flags = ConnectionFlags::default();
    let found = Connection::resolve(&flags, &env(&[]), None, Prefer::Application);
    let found = found.expect("complete");
    assert_eq!(found.url, "http://127.0.0.1:8080");
    assert_eq!((found.identity, found.instance), (Identity::Nobody, None));
}

#[test]
fn flags_beat_variables_beat_the_profile() {
    let vars = &[("FIRN_URL", "http://env:1"), ("FIRN_INSTANCE", "from-env")];
    let mut flags = ConnectionFlags::default();
    let found = resolve(&flags, &[], Prefer::Application).expect("complete");
    assert_eq!(found.url, "http://profile:1");
    assert_eq!(found.instance.as_deref(), Some("from-profile"));
    let found = resolve(&flags, vars, Prefer::Application).expect("complete");
    assert_eq!(found.url, "http://env:1");
    assert_eq!(found.instance.as_deref(), Some("from-env"));
    flags.url = Some("http://flag:1".to_owned());
    let found = resolve(&flags, vars, Prefer::Application).expect("complete");
    assert_eq!(found.url, "http://flag:1");
    assert_eq!(found.instance.as_deref(), Some("from-env"));
}

#[test]
fn the_verb_chooses_within_a_source_and_the_stronger_source_before_that() {
    let flags = ConnectionFlags::default();
    let found = |vars, prefer| resolve(&flags, vars, prefer).expect("complete").identity;
    let person = Identity::Person(Person {
        username: "person".to_owned(),
        password: Secret::new("pw"),
        tenant: Some("2".to_owned()),
    });
    assert_eq!(found(&[], Prefer::Application), application("pk", "ps"));
    assert_eq!(found(&[], Prefer::Person), person);
    let vars = &[("FIRN_ACCESS_KEY", "ek"), ("FIRN_SECRET_KEY", "es")];
    assert_eq!(found(vars, Prefer::Person), application("ek", "es"));
}

#[test]
fn a_key_without_its_secret_is_refused() {
    let flags = ConnectionFlags::default();
    let vars = env(&[("FIRN_ACCESS_KEY", "k")]);
    let error = Connection::resolve(&flags, &vars, None, Prefer::Application).expect_err("half");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--secret-key"), "{error}");
}

#[test]
fn profiles_are_chosen_by_name() {
    let named = |name: &str| ConnectionFlags {
        profile: Some(name.to_owned()),
        ..ConnectionFlags::default()
    };
    let found = resolve(&named("bare"), &[], Prefer::Application).expect("complete");
    assert_eq!(
        (found.url.as_str(), found.identity),
        ("http://bare:1", Identity::Nobody)
    );
    let error = resolve(&named("missing"), &[], Prefer::Application).expect_err("not there");
    assert!(error.to_string().contains("[missing]"), "{error}");
}

#[test]
fn a_broken_profile_is_named_without_its_secrets() {
    for text in [
        "[default]\nsecret_key = \"s3cret",
        "[default]\nsecret_key = [\"s3cret\"]",
        "[default]\nsecret = \"s3cret\"",
        "default = \"s3cret\"",
    ] {
        let flags = ConnectionFlags::default();
        let found = Connection::resolve(&flags, &env(&[]), Some(text), Prefer::Application);
        let error = found.expect_err(text);
        assert_eq!(error.exit_code(), 2);
        let line = error.to_string();
        assert!(!line.contains("s3cret") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn only_plain_http_urls_are_taken() {
    for good in [
        "http://h",
        "http://h:1/",
        "http://[::1]:8080",
        "http://h/prefix/",
    ] {
        assert!(checked_url(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "h:1",
        "https://h",
        "http://",
        "http:///x",
        "http://u:p@h",
        "http://h?x",
    ] {
        assert!(checked_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn basic_is_the_base64_of_the_pair() {
    assert_eq!(
        basic("demo", &Secret::new("demo-secret")),
        "Basic ZGVtbzpkZW1vLXNlY3JldA=="
    );
}
