//! The settings of `firn standalone`. Owns their names, defaults and rules;
//! promises that a `Settings` that exists can be used as it is. Opening what
//! they name is left to the services.

mod compat;
mod flags;
mod stores;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use firn_gateway::TlsFiles;
use firn_protocol::limits::{
    INVISIBLE_SECONDS_DEFAULT, INVISIBLE_SECONDS_MAX, INVISIBLE_SECONDS_MIN,
};
use firn_runtime::config::{ByteSize, Layers, Secret, SettingError, parse_duration};
use firn_runtime::telemetry::{LogFormat, check_filter};
use firn_storage_node::cold::ColdUrl;

pub use compat::Compat;
pub use flags::{Flags, SETTINGS, Setting};
pub use stores::Catalog;

/// Below this a log file could not hold two of the largest requests.
const LOG_FILE_BYTES_MIN: ByteSize = ByteSize::mib(16);
const LOG_FILE_BYTES_MAX: ByteSize = ByteSize::mib(4096);
/// The tail serves consumers that keep up; below this it is hardly there.
const TAIL_BYTES_MIN: ByteSize = ByteSize::mib(1);
/// One volume of the hot store (DESIGN 4).
const HOT_BYTES_MIN: ByteSize = ByteSize::mib(128);

/// Smaller ones are carried forward in the log rather than sealed (RULES 5).
const SEAL_BYTES_MIN: ByteSize = ByteSize(64 << 10);

/// Everything `firn standalone` can be told, checked and complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub http_listen: SocketAddr,
    pub grpc_listen: SocketAddr,
    pub ops_listen: SocketAddr,
    /// Certificate and key of both public ports.
    pub tls: Option<TlsFiles>,
    pub object_store: ColdUrl,
    pub catalog: Catalog,
    pub bootstrap: Option<PathBuf>,
    /// Password of the console user `operator`; made at the first start if absent.
    pub operator_password: Option<Secret>,
    pub master_key_file: PathBuf,
    /// How long a stop may take to store what is not in object storage yet.
    pub stop_timeout: Duration,
    /// What the node may use of its disk; `None` is all of it.
    pub disk_budget: Option<ByteSize>,
    pub log_format: LogFormat,
    /// A `tracing` directive list.
    pub log_level: String,
    /// Size of one file of the write-ahead log.
    pub log_file_bytes: ByteSize,
    /// Newest records kept in memory, over all brokers.
    pub tail_bytes: ByteSize,
    /// Records kept in the hot store until they are in object storage.
    pub hot_bytes: ByteSize,
    /// Records of one broker after which they are put into a segment.
    pub seal_bytes: ByteSize,
    /// Age of a broker's oldest record after which it is.
    pub seal_age: Duration,
    /// How long clients of Aliyun's MQ protocol have for a message.
    pub mq_http_invisible: Duration,
    /// Ways of the management API that are off unless asked for.
    pub compat: Compat,
    /// Only check the configuration, then leave.
    pub check_config: bool,
}

/// Something that is odd but does not stop a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that this version does not know; a later one might, and a
    /// rollback still has to start.
    UnknownKey(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(key) => write!(f, "configuration file: unknown key '{key}'"),
        }
    }
}

/// Why there are no settings. One line.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("configuration file {path}: {source}", path = .path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Settings {
    /// Reads the configuration file, if one is named, and resolves.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Self::resolve`].
    pub fn load(
        flags: &Flags,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Self, Vec<Warning>), SettingsError> {
        let named = Layers::new(&flags.0, env, None)?.get("config", path)?;
        let text = match &named {
            Some(path) => Some(read(path)?),
            None => None,
        };
        Self::resolve(flags, env, text.as_deref())
    }

    /// Puts default, file, variables and flags on top of each other, in this
    /// order, and checks the outcome. Pure.
    ///
    /// # Errors
    /// Names the setting, where its value comes from, and the rule it breaks.
    pub fn resolve(
        flags: &Flags,
        env: &dyn Fn(&str) -> Option<String>,
        toml: Option<&str>,
    ) -> Result<(Self, Vec<Warning>), SettingsError> {
        let layers = Layers::new(&flags.0, env, toml)?;
        let data_dir = layers.get("data_dir", path)?;
        let data_dir = data_dir.unwrap_or_else(|| PathBuf::from("./data"));
        let listen = |key, port| -> Result<SocketAddr, SettingError> {
            let given = layers.get(key, address)?;
            Ok(given.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port))))
        };
        let size = |key, default, min, max| -> Result<ByteSize, SettingError> {
            let given = layers.get(key, |text| sized(text, min, max))?;
            Ok(given.unwrap_or(default))
        };
        let no_max = ByteSize(u64::MAX);
        let settings = Self {
            http_listen: listen("http_listen", 8080)?,
            grpc_listen: listen("grpc_listen", 8081)?,
            ops_listen: listen("ops_listen", 9180)?,
            tls: tls(&layers)?,
            object_store: (layers.get("object_store", ColdUrl::parse)?)
                .unwrap_or_else(|| ColdUrl::Directory(data_dir.join("objects"))),
            catalog: (layers.get("catalog", Catalog::parse)?)
                .unwrap_or_else(|| Catalog::Sqlite(data_dir.join("catalogue.db"))),
            bootstrap: layers.get("bootstrap", path)?,
            operator_password: layers.get("operator_password", secret)?,
            master_key_file: (layers.get("master_key_file", path)?)
                .unwrap_or_else(|| data_dir.join("master.key")),
            stop_timeout: (layers.get("stop_timeout", parse_duration)?)
                .unwrap_or(Duration::from_secs(30)),
            disk_budget: layers.get("disk_budget", str::parse::<ByteSize>)?,
            log_format: layers
                .get("log_format", log_format)?
                .unwrap_or(LogFormat::Text),
            log_level: (layers.get("log_level", log_level)?).unwrap_or_else(|| "info".to_owned()),
            log_file_bytes: size(
                "log_file_bytes",
                ByteSize::mib(64),
                LOG_FILE_BYTES_MIN,
                LOG_FILE_BYTES_MAX,
            )?,
            tail_bytes: size("tail_bytes", ByteSize::mib(64), TAIL_BYTES_MIN, no_max)?,
            hot_bytes: size("hot_bytes", ByteSize::mib(384), HOT_BYTES_MIN, no_max)?,
            seal_bytes: size("seal_bytes", ByteSize::mib(64), SEAL_BYTES_MIN, no_max)?,
            seal_age: (layers.get("seal_age", parse_duration)?).unwrap_or(Duration::from_secs(600)),
            mq_http_invisible: (layers.get("mq_http_invisible", invisible)?)
                .unwrap_or(Duration::from_secs(INVISIBLE_SECONDS_DEFAULT)),
            compat: Compat::resolve(&layers)?,
            check_config: layers.get("check_config", switch)?.unwrap_or(false),
            data_dir,
        };
        settings.check_addresses(&layers)?;
        settings.check_disk_budget(&layers)?;
        // A file cannot name another one.
        let known = SETTINGS.iter().map(|setting| setting.key);
        let known: Vec<&str> = known.filter(|key| *key != "config").collect();
        let warnings = layers.unknown_keys(&known).into_iter();
        Ok((settings, warnings.map(Warning::UnknownKey).collect()))
    }

    /// Two listeners on one address would only show when the second one starts.
    fn check_addresses(&self, layers: &Layers<'_>) -> Result<(), SettingError> {
        let listeners = [
            ("http_listen", self.http_listen),
            ("grpc_listen", self.grpc_listen),
            ("ops_listen", self.ops_listen),
        ];
        for (i, (key, address)) in listeners.iter().enumerate() {
            let earlier = listeners[..i].iter().find(|(_, other)| other == address);
            if let Some((other, _)) = earlier.filter(|_| address.port() != 0) {
                return Err(SettingError::Value {
                    origin: layers.origin(key),
                    rule: format!("the same address as {other}"),
                });
            }
        }
        Ok(())
    }

    /// The log needs four files: written, kept back, made ahead (RULES 5); the hot
    /// store as much again.
    fn check_disk_budget(&self, layers: &Layers<'_>) -> Result<(), SettingError> {
        let least = ByteSize(self.log_file_bytes.bytes() * 8);
        match self.disk_budget {
            Some(budget) if budget < least => Err(SettingError::Value {
                origin: layers.origin("disk_budget"),
                rule: format!("must hold eight log files, {least} or more"),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Both or none.
fn tls(layers: &Layers<'_>) -> Result<Option<TlsFiles>, SettingError> {
    let missing = |key: &str| SettingError::Value {
        origin: layers.origin(key),
        rule: "tls_cert and tls_key go together".to_owned(),
    };
    match (layers.get("tls_cert", path)?, layers.get("tls_key", path)?) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("tls_cert")),
        (None, Some(_)) => Err(missing("tls_key")),
    }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    match text {
        "" => Err("expected a path"),
        text => Ok(PathBuf::from(text)),
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "expected an address and a port, like 127.0.0.1:8080 or [::]:8080")
}

fn invisible(text: &str) -> Result<Duration, String> {
    let given = parse_duration(text)?;
    let bounds =
        Duration::from_secs(INVISIBLE_SECONDS_MIN)..=Duration::from_secs(INVISIBLE_SECONDS_MAX);
    match bounds.contains(&given) {
        true => Ok(given),
        false => Err("must be 1s to 12h".to_owned()),
    }
}

fn secret(text: &str) -> Result<Secret, &'static str> {
    match text {
        "" => Err("must not be empty"),
        text => Ok(Secret::new(text)),
    }
}

fn log_format(text: &str) -> Result<LogFormat, &'static str> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected text or json"),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    check_filter(text)?;
    Ok(text.to_owned())
}

fn switch(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "expected true or false")
}

fn sized(text: &str, min: ByteSize, max: ByteSize) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    match size {
        size if size < min => Err(format!("must be at least {min}")),
        size if size > max => Err(format!("must be at most {max}")),
        size => Ok(size),
    }
}
