//! The flags of `firn standalone`, made from one table, so that flag, variable,
//! file key and help text of a setting cannot drift apart.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// One setting as users see it.
pub struct Setting {
    /// In `firn.toml`; the variable is `FIRN_` and this in upper case.
    pub key: &'static str,
    /// On the command line, without the dashes.
    pub flag: &'static str,
    /// What stands for the value in help; `None` for a switch.
    pub value: Option<&'static str>,
    pub help: &'static str,
    /// In words, for help.
    pub default: Option<&'static str>,
}

/// The flags given on a command line, by key.
#[derive(Clone, Default)]
pub struct Flags(pub BTreeMap<String, String>);

const fn setting(
    key: &'static str,
    flag: &'static str,
    value: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting {
        key,
        flag,
        value: Some(value),
        help,
        default,
    }
}

/// Every setting, in the order of `--help`.
pub const SETTINGS: &[Setting] = &[
    setting(
        "data_dir",
        "data-dir",
        "DIR",
        Some("./data"),
        "Directory of all local data; one process at a time",
    ),
    setting(
        "http_listen",
        "http-listen",
        "ADDRESS",
        Some("127.0.0.1:8080"),
        "HTTP: native API, management API, console",
    ),
    setting(
        "grpc_listen",
        "grpc-listen",
        "ADDRESS",
        Some("127.0.0.1:8081"),
        "gRPC of the RocketMQ 5 clients",
    ),
    setting(
        "ops_listen",
        "ops-listen",
        "ADDRESS",
        Some("127.0.0.1:9180"),
        "/metrics, /livez and /readyz",
    ),
    setting(
        "tls_cert",
        "tls-cert",
        "FILE",
        Some("HTTP without TLS; gRPC with a certificate of its own"),
        "Certificate in PEM, for HTTP and gRPC; read again when it changes",
    ),
    setting("tls_key", "tls-key", "FILE", None, "Its private key in PEM"),
    setting(
        "object_store",
        "object-store",
        "URL",
        Some("objects/ in the data directory"),
        "file:///DIR, s3://BUCKET/PREFIX (with the AWS_* variables) or memory:",
    ),
    setting(
        "catalog",
        "catalog",
        "URL",
        Some("catalogue.db in the data directory"),
        "sqlite:///FILE, sqlite://RELATIVE or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    ),
    setting(
        "bootstrap",
        "bootstrap",
        "FILE",
        None,
        "Tenants, instances, users, topics and groups that must exist (TOML)",
    ),
    setting(
        "config",
        "config",
        "FILE",
        None,
        "Settings in TOML, as in firn.toml",
    ),
    Setting {
        key: "check_config",
        flag: "check-config",
        value: None,
        help: "Check the configuration, unknown keys included, and leave",
        default: None,
    },
    setting(
        "operator_password",
        "operator-password",
        "PASSWORD",
        Some("made at the first start and printed once"),
        "Password of the user 'operator'; better given as a variable",
    ),
    setting(
        "master_key_file",
        "master-key-file",
        "FILE",
        Some("master.key in the data directory"),
        "Key that stored secrets are encrypted with; made if it is missing",
    ),
    setting(
        "stop_timeout",
        "stop-timeout",
        "TIME",
        Some("30s"),
        "How long a stop may take to put data into the object store",
    ),
    setting(
        "disk_budget",
        "disk-budget",
        "SIZE",
        Some("the whole disk"),
        "What log and hot store may use of the disk",
    ),
    setting(
        "log_format",
        "log-format",
        "FORMAT",
        Some("text"),
        "Log lines: text or json",
    ),
    setting(
        "log_level",
        "log-level",
        "LEVEL",
        Some("info"),
        "error, warn, info, debug, trace, or directives like info,firn_gateway=debug",
    ),
    setting(
        "log_file_bytes",
        "log-file-bytes",
        "SIZE",
        Some("64MiB"),
        "Size of one file of the write-ahead log",
    ),
    setting(
        "tail_bytes",
        "tail-bytes",
        "SIZE",
        Some("64MiB"),
        "Newest records kept in memory",
    ),
    setting(
        "hot_bytes",
        "hot-bytes",
        "SIZE",
        Some("384MiB"),
        "Records kept in the hot store until they are in the object store",
    ),
    setting(
        "seal_bytes",
        "seal-bytes",
        "SIZE",
        Some("64MiB"),
        "Records of one broker after which they go into the object store",
    ),
    setting(
        "seal_age",
        "seal-age",
        "TIME",
        Some("10m"),
        "Age of its oldest record after which they do",
    ),
    setting(
        "mq_http_invisible",
        "mq-http-invisible",
        "TIME",
        Some("30s"),
        "How long clients of Aliyun's MQ have for a message until it comes again",
    ),
    setting(
        "compat_http_status",
        "compat-http-status",
        "STATUS",
        Some("code"),
        "Management API: HTTP status as the code, or always200",
    ),
    setting(
        "compat_open_account_endpoint",
        "compat-open-account-endpoint",
        "BOOL",
        Some("false"),
        "Management API: true shows secrets to whoever knows a user's name; see compat_account_allow",
    ),
    setting(
        "compat_account_allow",
        "compat-account-allow",
        "NETWORKS",
        None,
        "Who may see them: addresses or networks, joined by commas",
    ),
];

const SOURCES: &str = "\
A flag beats its environment variable, which beats the configuration file, which beats the default.
In the file a setting is written in snake case: data_dir = \"/var/lib/firn\".
Sizes are written 64MiB, times 30s.

Examples:
  firn standalone
  firn standalone --data-dir /var/lib/firn --http-listen 0.0.0.0:8080
  firn standalone --config firn.toml --check-config";

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let args = SETTINGS.iter().map(arg);
        command.args(args).after_help(SOURCES)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            let text = match setting.value {
                Some(_) => matches.get_one::<String>(setting.key).cloned(),
                None => matches.get_flag(setting.key).then(|| "true".to_owned()),
            };
            if let Some(text) = text {
                self.0.insert(setting.key.to_owned(), text);
            }
        }
        Ok(())
    }
}

fn arg(setting: &Setting) -> Arg {
    let variable = format!("FIRN_{}", setting.key.to_uppercase());
    let help = match setting.default {
        Some(default) => format!("{} [{variable}; default: {default}]", setting.help),
        None => format!("{} [{variable}]", setting.help),
    };
    let arg = Arg::new(setting.key).long(setting.flag).help(help);
    match setting.value {
        Some(value) => arg.value_name(value).action(ArgAction::Set),
        None => arg.action(ArgAction::SetTrue),
    }
}
