//! The order of sources: a flag beats a variable, a variable beats the file,
//! the file beats the default. Pure: the sources are handed in.

use std::collections::BTreeMap;

/// A setting that cannot be used. One line, names the source, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error("{origin}: {rule}")]
    Value { origin: String, rule: String },
    #[error("configuration file: {0}")]
    File(String),
}

/// The sources of settings, strongest first. Keys are in snake case: the key
/// `data_dir` is the flag `--data-dir` and the variable `FIRN_DATA_DIR`.
pub struct Layers<'a> {
    flags: &'a BTreeMap<String, String>,
    env: &'a dyn Fn(&str) -> Option<String>,
    file: toml::Table,
}

impl<'a> Layers<'a> {
    /// # Errors
    /// When `file` is not TOML.
    pub fn new(
        flags: &'a BTreeMap<String, String>,
        env: &'a dyn Fn(&str) -> Option<String>,
        file: Option<&str>,
    ) -> Result<Self, SettingError> {
        let text = file.unwrap_or_default();
        let file = text
            .parse()
            .map_err(|error| SettingError::File(describe_toml_error(&error, text)))?;
        Ok(Self { flags, env, file })
    }

    /// Keys of the file that are not among `known`, in order.
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<String> {
        let unknown = self
            .file
            .keys()
            .filter(|key| !known.contains(&key.as_str()));
        unknown.cloned().collect()
    }

    /// The strongest value of a setting, parsed; `None` if no source has it.
    /// An empty variable counts as not set.
    ///
    /// # Errors
    /// When that value breaks the parser's rule.
    pub fn get<T, E: ToString>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, SettingError> {
        let Some((origin, text)) = self.find(key)? else {
            return Ok(None);
        };
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            Err(rule) => {
                let rule = rule.to_string();
                Err(SettingError::Value { origin, rule })
            }
        }
    }

    /// Where the value of a setting comes from, for messages.
    #[must_use]
    pub fn origin(&self, key: &str) -> String {
        match self.find(key) {
            Ok(Some((origin, _))) => origin,
            Ok(None) | Err(_) => flag(key),
        }
    }

    fn find(&self, key: &str) -> Result<Option<(String, String)>, SettingError> {
        if let Some(text) = self.flags.get(key) {
            return Ok(Some((flag(key), text.clone())));
        }
        let variable = format!("FIRN_{}", key.to_uppercase());
        if let Some(text) = (self.env)(&variable).filter(|text| !text.is_empty()) {
            return Ok(Some((variable, text)));
        }
        let Some(value) = self.file.get(key) else {
            return Ok(None);
        };
        let origin = format!("{key} in the configuration file");
        match scalar(value) {
            Some(text) => Ok(Some((origin, text))),
            None => {
                let rule = "expected a string, a whole number, true or false".to_owned();
                Err(SettingError::Value { origin, rule })
            }
        }
    }
}

fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Float(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => None,
    }
}

/// A syntax error in one line, without the text around it, which may hold secrets.
#[must_use]
pub fn describe_toml_error(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', ", ");
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or_default();
            format!("line {}: {message}", before.matches('\n').count() + 1)
        }
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers_get(
        flags: &[(&str, &str)],
        env: &[(&str, &str)],
        file: &str,
    ) -> Result<Option<u16>, SettingError> {
        let flags = flags
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let flags = flags.collect();
        let env = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let layers = Layers::new(&flags, &env, Some(file))?;
        layers.get("the_port", str::parse)
    }

    #[test]
    fn the_strongest_source_wins() {
        let flag = [("the_port", "1")];
        let env = [("FIRN_THE_PORT", "2")];
        assert_eq!(layers_get(&flag, &env, "the_port = 3"), Ok(Some(1)));
        assert_eq!(layers_get(&[], &env, "the_port = 3"), Ok(Some(2)));
        assert_eq!(layers_get(&[], &[], "the_port = 3"), Ok(Some(3)));
        assert_eq!(layers_get(&[], &[("FIRN_THE_PORT", "")], ""), Ok(None));
    }

    #[test]
    fn errors_name_the_source_and_not_the_value() {
        let error = |flags, env, file| layers_get(flags, env, file).expect_err("bad").to_string();
        let from_flag = error(&[("the_port", "s3cret")], &[], "");
        assert!(from_flag.starts_with("--the-port: "), "{from_flag}");
        let from_env = error(&[], &[("FIRN_THE_PORT", "s3cret")], "");
        assert!(from_env.starts_with("FIRN_THE_PORT: "), "{from_env}");
        let from_file = error(&[], &[], "the_port = [\"s3cret\"]");
        assert!(from_file.starts_with("the_port in the"), "{from_file}");
        let broken = error(&[], &[], "a = 1\nthe_port = \"s3cret");
        assert!(
            broken.starts_with("configuration file: line 2: "),
            "{broken}"
        );
        for text in [from_flag, from_env, from_file, broken] {
            assert!(!text.contains("s3cret") && !text.contains('\n'), "{text}");
        }
    }
}
