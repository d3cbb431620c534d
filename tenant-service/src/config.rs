//! Settings of the tenant service, validated when built.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;

use firn_protocol::catalogue::Durability;
use sqlx::postgres::PgConnectOptions;

use crate::secret::Secret;
use crate::store;

/// What [`crate::TenantService::open`] needs to know.
#[derive(Clone)]
pub struct TenantConfig {
    /// `sqlite:///absolute/path`, `sqlite://relative/path` or
    /// `postgres://user:password@host:port/database`.
    pub catalogue: String,
    /// Made at the first start; 64 hex digits, readable by its owner alone.
    pub master_key_file: PathBuf,
    /// Password of the console user `operator`; made at the first start if absent.
    pub operator_password: Option<Secret>,
    /// Class of instances whose creator names none.
    pub durability: Durability,
}

impl fmt::Debug for TenantConfig {
    /// The URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantConfig")
            .field("master_key_file", &self.master_key_file)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

/// Checks the form of a catalogue's URL; nothing is opened.
///
/// # Errors
/// The rule that it breaks, without anything that may be a password.
pub fn check_catalogue_url(url: &str) -> Result<(), String> {
    CatalogueUrl::parse(url).map(|_| ())
}

/// Where the catalogue is (API.md, "Who may call").
pub(crate) enum CatalogueUrl {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// Parameters of a PostgreSQL URL. One that is not known may be a misspelt
/// password, which would be in the log of the library otherwise.
const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

impl CatalogueUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(refuse(
                "expected sqlite:///FILE, sqlite://RELATIVE or postgres://USER@HOST/DATABASE",
            ));
        };
        match scheme {
            "sqlite" if rest.is_empty() || rest.ends_with('/') => {
                Err(refuse("the path of a file is missing"))
            }
            "sqlite" if rest.contains(['?', '#', '\0']) => Err(refuse(
                "a path with '?' or '#' is not supported, and no parameters are taken",
            )),
            "sqlite" => Ok(Self::Sqlite(PathBuf::from(rest))),
            "postgres" | "postgresql" => postgres(url, rest),
            other => Err(refuse(&format!(
                "unknown scheme '{other}', expected sqlite or postgres"
            ))),
        }
    }

    /// For people to read; never holds a password.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(options) => store::place(options),
        }
    }
}

fn postgres(url: &str, rest: &str) -> Result<CatalogueUrl, String> {
    // What stands behind the first of these is shown in errors, so a password
    // with one of them must not reach that far.
    let (_, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if behind.contains(['@', '#']) {
        return Err(refuse(
            "'/', '?', '#' and '@' are written as %2F, %3F, %23 and %40 in a password",
        ));
    }
    let parameters = behind.split_once('?').map_or("", |(_, behind)| behind);
    for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
        let key = pair.split('=').next().unwrap_or_default();
        if !PARAMETERS.contains(&key) {
            return Err(refuse(&format!(
                "an unknown parameter; known are {}",
                PARAMETERS.join(", ")
            )));
        }
    }
    // The library's texts hold no part of the password, but of what is wrong.
    let options = PgConnectOptions::from_str(url).map_err(|error| refuse(&error.to_string()))?;
    Ok(CatalogueUrl::Postgres(Box::new(options)))
}

fn refuse(rule: &str) -> String {
    rule.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_urls() {
        let file = |url| match CatalogueUrl::parse(url) {
            Ok(CatalogueUrl::Sqlite(path)) => Ok(path),
            Ok(CatalogueUrl::Postgres(_)) => Err("postgres".to_owned()),
            Err(rule) => Err(rule),
        };
        assert_eq!(file("sqlite:///a/b.db"), Ok(PathBuf::from("/a/b.db")));
        assert_eq!(file("sqlite://a/b.db"), Ok(PathBuf::from("a/b.db")));
        for bad in [
            "",
            "a.db",
            "sqlite://",
            "sqlite:///a/",
            "sqlite://a?mode=ro",
            "mysql://x",
        ] {
            assert!(file(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_of_servers() {
        for (url, place) in [
            ("postgres://u:secret@h:7/d", "'d' at h:7"),
            ("postgresql://u@h:7/d?sslmode=require", "'d' at h:7"),
            (
                "postgres://u:secret@localhost:7/d?host=/run/pg",
                "'d' at /run/pg, port 7",
            ),
            ("postgres://u:p%2F%40@h:7/d", "'d' at h:7"),
        ] {
            let parsed = CatalogueUrl::parse(url).unwrap();
            assert_eq!(parsed.place(), place, "{url}");
        }
    }

    #[test]
    fn no_password_is_repeated() {
        for (url, part) in [
            ("postgres://u:12/secret@h/d", "%2F"),
            ("postgres://u:12?secret@h/d", "%3F"),
            ("postgres://u:12#secret@h/d", "%23"),
            ("postgres://u@h/d?pasword=secret", "unknown parameter"),
            ("postgres://u:secret@h:port/d", "port"),
            ("postgres://u:secret@h/d?sslmode=maybe", "maybe"),
            ("postgres://u:secret@h/d?port=x", "digit"),
        ] {
            let text = CatalogueUrl::parse(url).err().unwrap();
            assert!(text.contains(part), "{text}");
            assert!(!text.contains("secret"), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
        let config = TenantConfig {
            catalogue: "postgres://u:secret@h/d".to_owned(),
            master_key_file: PathBuf::from("k"),
            operator_password: Some(Secret::new("secret")),
            durability: Durability::Local,
        };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
