use std::collections::BTreeMap;

use clap::{Args as _, Command, FromArgMatches as _};
use proptest::prelude::*;

use super::*;

type Pairs = BTreeMap<String, String>;

fn resolve(flags: &Pairs, env: &Pairs, toml: &str) -> Result<(Settings, Vec<Warning>), String> {
    let env = |name: &str| env.get(name).cloned();
    Settings::resolve(&Flags(flags.clone()), &env, Some(toml)).map_err(|error| error.to_string())
}

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    let pairs = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    pairs.collect()
}

fn defaults() -> Settings {
    resolve(&Pairs::new(), &Pairs::new(), "")
        .expect("defaults are valid")
        .0
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = defaults();
    assert_eq!(settings.data_dir, PathBuf::from("./data"));
    assert_eq!(settings.http_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.grpc_listen.to_string(), "127.0.0.1:8081");
    assert_eq!(settings.ops_listen.to_string(), "127.0.0.1:9180");
    let objects = ColdUrl::Directory("./data/objects".into());
    assert_eq!(settings.object_store, objects);
    assert_eq!(
        settings.catalog,
        Catalog::Sqlite("./data/catalogue.db".into())
    );
    assert_eq!(settings.master_key_file, PathBuf::from("./data/master.key"));
    assert_eq!(settings.stop_timeout, Duration::from_secs(30));
    assert_eq!(settings.bootstrap, None);
    assert!(!settings.check_config);
}

#[test]
fn help_shows_the_defaults_that_are_used() {
    let settings = defaults();
    for (key, used) in [
        ("data_dir", settings.data_dir.display().to_string()),
        ("http_listen", settings.http_listen.to_string()),
        ("grpc_listen", settings.grpc_listen.to_string()),
        ("ops_listen", settings.ops_listen.to_string()),
        (
            "stop_timeout",
            firn_runtime::config::format_duration(settings.stop_timeout),
        ),
        ("log_level", settings.log_level),
        ("log_file_bytes", settings.log_file_bytes.to_string()),
        ("tail_bytes", settings.tail_bytes.to_string()),
        ("hot_bytes", settings.hot_bytes.to_string()),
        ("seal_bytes", settings.seal_bytes.to_string()),
        (
            "seal_age",
            firn_runtime::config::format_duration(settings.seal_age),
        ),
        (
            "mq_http_invisible",
            firn_runtime::config::format_duration(settings.mq_http_invisible),
        ),
    ] {
        let row = SETTINGS
            .iter()
            .find(|row| row.key == key)
            .expect("in the table");
        assert_eq!(row.default, Some(used.as_str()), "{key}");
    }
}

#[test]
fn flags_are_spelled_like_their_keys_and_parse() {
    for row in SETTINGS {
        assert_eq!(row.flag.replace('-', "_"), row.key);
    }
    let command = Flags::augment_args(Command::new("standalone"));
    let line = ["standalone", "--data-dir", "/d", "--check-config"];
    let matches = command.try_get_matches_from(line).expect("known flags");
    let flags = Flags::from_arg_matches(&matches).expect("complete");
    assert_eq!(
        flags.0,
        pairs(&[("data_dir", "/d"), ("check_config", "true")])
    );
}

#[test]
fn every_setting_of_the_table_is_read() {
    for row in SETTINGS {
        // The one form that no setting takes, so whoever reads it complains.
        let toml = format!("{} = [1]", row.key);
        let error = resolve(&Pairs::new(), &Pairs::new(), &toml);
        // `config` is read before the file and means nothing inside it.
        assert_eq!(error.is_err(), row.key != "config", "{}", row.key);
    }
}

#[test]
fn unknown_keys_warn_and_known_ones_do_not() {
    let (settings, warnings) = resolve(
        &Pairs::new(),
        &Pairs::new(),
        "tail_bytes = \"8MiB\"\nconfig = \"x\"\n[more]\nx = 1",
    )
    .expect("an unknown key is no error");
    assert_eq!(settings.tail_bytes, ByteSize::mib(8));
    let unknown = ["config", "more"].map(|key| Warning::UnknownKey(key.to_owned()));
    assert_eq!(warnings, unknown);
}

#[test]
fn what_breaks_a_rule_is_refused_by_name() {
    for (key, value, rule) in [
        ("data_dir", "", "path"),
        ("http_listen", "8080", "127.0.0.1:8080"),
        ("http_listen", "127.0.0.1:99999", "127.0.0.1:8080"),
        (
            "ops_listen",
            "127.0.0.1:8081",
            "same address as grpc_listen",
        ),
        ("tls_cert", "c.pem", "go together"),
        ("tls_key", "k.pem", "go together"),
        ("object_store", "file://relative", "file:///DIR"),
        ("object_store", "s3://", "s3://BUCKET"),
        ("object_store", "http://x", "s3://BUCKET"),
        ("catalog", "c.db", "sqlite:///FILE"),
        ("catalog", "sqlite://", "path of a file"),
        ("catalog", "mysql://x", "sqlite or postgres"),
        ("catalog", "postgres://u@h/d?pasword=x", "unknown parameter"),
        ("operator_password", "", "empty"),
        ("stop_timeout", "30", "unit"),
        ("disk_budget", "511MiB", "512MiB or more"),
        ("log_format", "xml", "text or json"),
        ("log_level", "firn=loud", ""),
        ("log_file_bytes", "15MiB", "at least 16MiB"),
        ("log_file_bytes", "5GiB", "at most 4GiB"),
        ("tail_bytes", "-1", "size"),
        ("hot_bytes", "64MiB", "at least 128MiB"),
        ("seal_bytes", "63KiB", "at least 64KiB"),
        ("seal_age", "10", "unit"),
        ("mq_http_invisible", "0s", "1s to 12h"),
        ("mq_http_invisible", "13h", "1s to 12h"),
        ("check_config", "yes", "true or false"),
        ("compat_http_status", "200", "code or always200"),
        (
            "compat_open_account_endpoint",
            "true",
            "compat_account_allow",
        ),
        ("compat_account_allow", "10.0.0.0/33", "10.0.0.0/8"),
        ("compat_account_allow", "localhost", "10.0.0.0/8"),
    ] {
        let flags = pairs(&[(key, value)]);
        let error = resolve(&flags, &Pairs::new(), "").expect_err(key);
        let flag = format!("--{}: ", key.replace('_', "-"));
        assert!(error.starts_with(&flag), "{error}");
        assert!(error.contains(rule), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn compatibility_is_off_unless_it_is_asked_for() {
    assert_eq!(defaults().compat, Compat::default());
    let flags = pairs(&[
        ("compat_http_status", "always200"),
        ("compat_open_account_endpoint", "true"),
        ("compat_account_allow", "10.0.0.0/8, ::1"),
    ]);
    let (settings, _) = resolve(&flags, &Pairs::new(), "").expect("valid");
    let expected = Compat {
        always_200: true,
        open_account_endpoint: true,
        account_allow: vec!["10.0.0.0/8".to_owned(), "::1".to_owned()],
    };
    assert_eq!(settings.compat, expected);
}

#[test]
fn urls_name_their_stores() {
    let sqlite = |path: &str| Ok(Catalog::Sqlite(path.into()));
    assert_eq!(Catalog::parse("sqlite:///var/c.db"), sqlite("/var/c.db"));
    assert_eq!(Catalog::parse("sqlite://c.db"), sqlite("c.db"));
    for url in ["sqlite:///var/c.db", "sqlite://c.db", "postgres://u:p@h/d"] {
        assert_eq!(Catalog::parse(url).map(|store| store.url()), Ok(url.into()));
    }
}

#[test]
fn secrets_do_not_print() {
    let env = pairs(&[
        ("FIRN_OPERATOR_PASSWORD", "hunter2"),
        ("FIRN_CATALOG", "postgres://u:hunter2@h/d"),
    ]);
    let (settings, _) = resolve(&Pairs::new(), &env, "").expect("valid");
    let password = settings.operator_password.as_ref().map(Secret::expose);
    assert_eq!(password, Some("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
}

/// Values of one setting for each source, none of them the default.
fn sources() -> impl Strategy<Value = [Option<u64>; 3]> {
    [0; 3].map(|_| proptest::option::of(200_u64..5000))
}

proptest! {
    /// The strongest source that speaks is heard, whatever the others say,
    /// and settings do not hear each other's sources.
    #[test]
    fn flags_beat_variables_beat_the_file_beats_the_default(
        tail in sources(),
        hot in sources(),
        stop in sources(),
    ) {
        let (mut flags, mut env, mut toml) = (Pairs::new(), Pairs::new(), String::new());
        let all = [("tail_bytes", "MiB", tail), ("hot_bytes", "MiB", hot), ("stop_timeout", "s", stop)];
        for (key, unit, [flag, variable, file]) in all {
            if let Some(n) = flag {
                flags.insert(key.to_owned(), format!("{n}{unit}"));
            }
            if let Some(n) = variable {
                env.insert(format!("FIRN_{}", key.to_uppercase()), format!("{n}{unit}"));
            }
            if let Some(n) = file {
                toml.push_str(&format!("{key} = \"{n}{unit}\"\n"));
            }
        }
        let strongest = |[flag, variable, file]: [Option<u64>; 3]| flag.or(variable).or(file);
        let mut expected = defaults();
        if let Some(n) = strongest(tail) {
            expected.tail_bytes = ByteSize::mib(n);
        }
        if let Some(n) = strongest(hot) {
            expected.hot_bytes = ByteSize::mib(n);
        }
        if let Some(n) = strongest(stop) {
            expected.stop_timeout = Duration::from_secs(n);
        }
        prop_assert_eq!(resolve(&flags, &env, &toml), Ok((expected, vec![])));
    }

    /// No text in any setting or file makes resolving panic or speak in lines.
    #[test]
    fn rubbish_gets_one_line(key in 0..SETTINGS.len(), value in "\\PC*|(.|\n)*", toml in "(.|\n)*") {
        let flags = pairs(&[(SETTINGS[key].key, value.as_str())]);
        for toml in ["", toml.as_str()] {
            if let Err(error) = resolve(&flags, &Pairs::new(), toml) {
                prop_assert!(!error.contains('\n'), "{}", error);
            }
        }
    }
}
