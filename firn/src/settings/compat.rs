//! What the management API does as its guide has it although it should not (SEED_SPEC 4
//! and 5.1). All of it is off unless it is asked for.

use std::net::IpAddr;

use firn_runtime::config::{Layers, SettingError};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    /// HTTP 200 always; only the body's `code` tells.
    pub always_200: bool,
    /// A user's secret for whoever knows its name and calls from a listed address.
    pub open_account_endpoint: bool,
    /// Addresses and networks.
    pub account_allow: Vec<String>,
}

impl Compat {
    pub(super) fn resolve(layers: &Layers<'_>) -> Result<Self, SettingError> {
        let compat = Self {
            always_200: layers.get("compat_http_status", status)?.unwrap_or(false),
            open_account_endpoint: (layers.get("compat_open_account_endpoint", super::switch)?)
                .unwrap_or(false),
            account_allow: (layers.get("compat_account_allow", networks)?).unwrap_or_default(),
        };
        if compat.open_account_endpoint && compat.account_allow.is_empty() {
            return Err(SettingError::Value {
                origin: layers.origin("compat_open_account_endpoint"),
                rule: "needs compat_account_allow: who may call it".to_owned(),
            });
        }
        Ok(compat)
    }
}

fn status(text: &str) -> Result<bool, &'static str> {
    match text {
        "code" => Ok(false),
        "always200" => Ok(true),
        _ => Err("expected code or always200"),
    }
}

fn networks(text: &str) -> Result<Vec<String>, &'static str> {
    let listed = text.split(',').map(str::trim);
    let listed: Vec<&str> = listed.filter(|entry| !entry.is_empty()).collect();
    match listed.iter().all(|entry| is_network(entry)) {
        true => Ok(listed.into_iter().map(str::to_owned).collect()),
        false => Err("expected addresses or networks, joined by commas, like 10.0.0.0/8"),
    }
}

fn is_network(entry: &str) -> bool {
    let (address, bits) = match entry.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (entry, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= bits_max))
}
