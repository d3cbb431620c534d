//! Which server, as whom, and which instance: flags before environment before
//! profile file.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use firn_runtime::config::{Secret, describe_toml_error};

use super::error::Failure;

const URL_DEFAULT: &str = "http://127.0.0.1:8080";
const KEYS: [&str; 7] = [
    "url",
    "instance",
    "access_key",
    "secret_key",
    "username",
    "password",
    "tenant",
];

/// Flags that every client verb takes.
#[derive(Args, Clone, Default)]
pub(super) struct ConnectionFlags {
    /// Server [FIRN_URL; default: http://127.0.0.1:8080].
    #[arg(long, global = true, help_heading = "Connection")]
    url: Option<String>,
    /// Instance, by name or id [FIRN_INSTANCE].
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Connection"
    )]
    instance: Option<String>,
    /// Application user [FIRN_ACCESS_KEY].
    #[arg(long, global = true, value_name = "KEY", help_heading = "Connection")]
    #[arg(conflicts_with = "username")]
    access_key: Option<String>,
    /// Its secret; better given as a variable [FIRN_SECRET_KEY].
    #[arg(
        long,
        global = true,
        value_name = "SECRET",
        help_heading = "Connection"
    )]
    secret_key: Option<String>,
    /// Log in as the operator or a console user instead [FIRN_USERNAME].
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    username: Option<String>,
    /// Password; better given as a variable [FIRN_PASSWORD].
    #[arg(long, global = true, help_heading = "Connection")]
    password: Option<String>,
    /// Tenant of a console user; none for the operator [FIRN_TENANT].
    #[arg(long, global = true, value_name = "ID", help_heading = "Connection")]
    tenant: Option<String>,
    /// Section of the profile file [FIRN_PROFILE; default: default].
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    profile: Option<String>,
    /// Print the server's JSON, for scripts.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Application {
        access_key: String,
        secret_key: Secret,
    },
    Person(Person),
    Nobody,
}

/// The operator or a console user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) tenant: Option<String>,
}

/// Which identity a verb takes where one source has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    Application,
    Person,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// `http://host[:port][/prefix]`, without a slash at the end.
    pub(super) url: String,
    pub(super) identity: Identity,
    pub(super) instance: Option<String>,
}

impl Connection {
    /// Looks at the real environment and the profile file.
    ///
    /// # Errors
    /// When the outcome is not usable.
    pub(super) fn find(flags: &ConnectionFlags, prefer: Prefer) -> Result<Self, Failure> {
        let env = firn_runtime::config::variable;
        let file = match profile_file(&env) {
            Some(path) => match std::fs::read_to_string(&path) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(source) => {
                    let what = path.display().to_string();
                    return Err(Failure::Input { what, source });
                }
            },
            None => None,
        };
        Self::resolve(flags, &env, file.as_deref(), prefer)
    }

    /// Puts the three sources on top of each other. Pure.
    ///
    /// # Errors
    /// When the outcome is not usable.
    pub(super) fn resolve(
        flags: &ConnectionFlags,
        env: &dyn Fn(&str) -> Option<String>,
        profile_file: Option<&str>,
        prefer: Prefer,
    ) -> Result<Self, Failure> {
        let sources = Sources::new(flags, env, profile_file)?;
        let url = sources
            .get("url")
            .map_or(URL_DEFAULT.to_owned(), |(_, url)| url);
        Ok(Self {
            url: checked_url(&url)?,
            identity: sources.identity(prefer)?,
            instance: sources.get("instance").map(|(_, name)| name),
        })
    }
}

/// `name:secret` as HTTP Basic wants it.
#[must_use]
pub(super) fn basic(access_key: &str, secret_key: &Secret) -> String {
    let pair = format!("{access_key}:{}", secret_key.expose());
    format!("Basic {}", STANDARD.encode(pair))
}

struct Sources<'a> {
    flags: &'a ConnectionFlags,
    env: &'a dyn Fn(&str) -> Option<String>,
    profile: toml::Table,
}

impl<'a> Sources<'a> {
    fn new(
        flags: &'a ConnectionFlags,
        env: &'a dyn Fn(&str) -> Option<String>,
        profile_file: Option<&str>,
    ) -> Result<Self, Failure> {
        let asked = (flags.profile.clone()).or_else(|| set(env("FIRN_PROFILE")));
        let profile = profile(profile_file.unwrap_or_default(), asked.as_deref())?;
        Ok(Self {
            flags,
            env,
            profile,
        })
    }

    /// The strongest value and the rank of its source: 0 flag, 1 variable, 2 profile.
    fn get(&self, key: &str) -> Option<(u8, String)> {
        let flag = match key {
            "url" => &self.flags.url,
            "instance" => &self.flags.instance,
            "access_key" => &self.flags.access_key,
            "secret_key" => &self.flags.secret_key,
            "username" => &self.flags.username,
            "password" => &self.flags.password,
            "tenant" => &self.flags.tenant,
            _ => &None,
        };
        if let Some(value) = flag {
            return Some((0, value.clone()));
        }
        if let Some(value) = set((self.env)(&format!("FIRN_{}", key.to_uppercase()))) {
            return Some((1, value));
        }
        let value = self.profile.get(key)?.as_str()?;
        Some((2, value.to_owned()))
    }

    fn identity(&self, prefer: Prefer) -> Result<Identity, Failure> {
        let is_person = match (self.get("access_key"), self.get("username")) {
            (None, None) => return Ok(Identity::Nobody),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some((key, _)), Some((name, _))) if key == name => prefer == Prefer::Person,
            (Some((key, _)), Some((name, _))) => name < key,
        };
        let value = |key: &str| self.get(key).map(|(_, value)| value);
        let secret = |key: &str| {
            let missing = || {
                let flag = key.replace('_', "-");
                let variable = key.to_uppercase();
                Failure::Usage(format!(
                    "no {key}: use --{flag}, FIRN_{variable} or a profile"
                ))
            };
            value(key).map(Secret::new).ok_or_else(missing)
        };
        if is_person {
            return Ok(Identity::Person(Person {
                username: value("username").unwrap_or_default(),
                password: secret("password")?,
                tenant: value("tenant"),
            }));
        }
        Ok(Identity::Application {
            access_key: value("access_key").unwrap_or_default(),
            secret_key: secret("secret_key")?,
        })
    }
}

/// An empty variable counts as not set.
fn set(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

fn profile_file(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let config = match set(env("XDG_CONFIG_HOME")) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(set(env("HOME"))?).join(".config"),
    };
    Some(config.join("firn").join("profile.toml"))
}

/// The section `asked` for, which then has to exist, or `default`.
fn profile(text: &str, asked: Option<&str>) -> Result<toml::Table, Failure> {
    let usage = |text: String| Failure::Usage(format!("profile file: {text}"));
    let parsed: Result<toml::Table, _> = text.parse();
    let mut file = parsed.map_err(|error| usage(describe_toml_error(&error, text)))?;
    let name = asked.unwrap_or("default");
    let table = match file.remove(name) {
        Some(toml::Value::Table(table)) => table,
        Some(_) => return Err(usage(format!("'{name}' is not a section"))),
        None if asked.is_some() => return Err(usage(format!("no section [{name}]"))),
        None => toml::Table::new(),
    };
    for (key, value) in &table {
        if !KEYS.contains(&key.as_str()) {
            return Err(usage(format!("unknown key '{key}' in [{name}]")));
        }
        if !value.is_str() {
            return Err(usage(format!("{key} in [{name}] must be a string")));
        }
    }
    Ok(table)
}

fn checked_url(url: &str) -> Result<String, Failure> {
    let rule = "the server's URL must look like http://HOST:PORT";
    let wrong = || Failure::Usage(rule.to_owned());
    let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@');
    if rest.is_empty() || rest.starts_with('/') || rest.contains(odd) {
        return Err(wrong());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
