//! Rules that several kinds of rows share. Every error of a field begins with
//! the field's name as the API writes it and a colon.

use std::fmt::Display;
use std::net::IpAddr;

use firn_protocol::catalogue::{Instance, Plan};
use firn_protocol::error::Detail;
use firn_protocol::limits::{
    BROKER_NAME_BYTES_MAX, IP_ALLOW_MAX, NAMES_LISTED_MAX, NUMBER_MAX, REMARK_BYTES_MAX,
    RETENTION_HOURS_MAX, SECRET_KEY_BYTES_MAX, TIME_ZONE_BYTES_MAX,
};
use firn_protocol::zone::Zone;
use firn_protocol::{ApiError, ApiResult, ErrorCode, names};

/// A number of any field: must be exact in JSON.
pub(crate) fn number(field: &str, value: u64) -> ApiResult<()> {
    if value > NUMBER_MAX {
        return Err(ApiError::field(field, format_args!("at most {NUMBER_MAX}")));
    }
    Ok(())
}

pub(crate) fn within<T: PartialOrd + Display + Copy>(
    field: &str,
    value: T,
    min: T,
    max: T,
) -> ApiResult<()> {
    if !(min..=max).contains(&value) {
        return Err(ApiError::field(field, format_args!("from {min} to {max}")));
    }
    Ok(())
}

pub(crate) fn text(field: &str, value: &str, bytes_max: usize) -> ApiResult<()> {
    if value.len() > bytes_max {
        return Err(ApiError::field(
            field,
            format_args!("at most {bytes_max} bytes"),
        ));
    }
    if value.contains('\0') {
        return Err(ApiError::field(field, "must not hold a zero character"));
    }
    Ok(())
}

pub(crate) fn remark(field: &str, value: &str) -> ApiResult<()> {
    text(field, value, REMARK_BYTES_MAX)
}

pub(crate) fn retention(value: u32) -> ApiResult<()> {
    within("retentionHours", value, 1, RETENTION_HOURS_MAX)
}

/// Names of topics or groups, which need not exist; no name twice.
pub(crate) fn name_list<'a>(
    field: &str,
    listed: impl ExactSizeIterator<Item = &'a str> + Clone,
) -> ApiResult<()> {
    if listed.len() > NAMES_LISTED_MAX {
        let rule = format_args!("at most {NAMES_LISTED_MAX} names");
        return Err(ApiError::field(field, rule));
    }
    for name in listed.clone() {
        names::check(field, name)?;
    }
    let mut sorted: Vec<_> = listed.collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ApiError::field(
            field,
            format_args!("'{}' is there twice", pair[0]),
        )),
        None => Ok(()),
    }
}

/// `^[a-z0-9_-]{1,32}$`
pub(crate) fn broker_name(name: &str) -> ApiResult<()> {
    let valid = (1..=BROKER_NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if valid {
        return Ok(());
    }
    let rule = format!(
        "brokers: only lower-case letters, digits, '_' and '-', 1 to {BROKER_NAME_BYTES_MAX} characters"
    );
    Err(ApiError::new(ErrorCode::InvalidName, rule))
}

pub(crate) fn time_zone(zone: &str) -> ApiResult<()> {
    if zone.len() <= TIME_ZONE_BYTES_MAX && Zone::parse(zone).is_some() {
        return Ok(());
    }
    Err(ApiError::field(
        "timeZone",
        "a distance such as UTC+8, or a name of the tz database such as Europe/Vienna",
    ))
}

/// Addresses or networks: `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
pub(crate) fn ip_allow(listed: &[String]) -> ApiResult<()> {
    if listed.len() > IP_ALLOW_MAX {
        return Err(ApiError::field(
            "ipAllow",
            format_args!("at most {IP_ALLOW_MAX} entries"),
        ));
    }
    match listed.iter().find(|entry| !is_network(entry)) {
        Some(_) => Err(ApiError::field(
            "ipAllow",
            "only addresses such as 10.0.0.1 and networks such as 10.0.0.0/8",
        )),
        None => Ok(()),
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
    bits.is_none_or(|bits| {
        bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|b| b <= bits_max)
    })
}

/// Visible ASCII only: a blank in a secret is read as `+` on its way in (SEED_SPEC I-30).
pub(crate) fn secret_key(secret: &str) -> ApiResult<()> {
    let valid = (1..=SECRET_KEY_BYTES_MAX).contains(&secret.len())
        && secret.bytes().all(|b| b.is_ascii_graphic());
    if valid {
        return Ok(());
    }
    let rule = format!("1 to {SECRET_KEY_BYTES_MAX} visible ASCII characters without blanks");
    Err(ApiError::field("secretKey", rule))
}

/// Refuses to go above a counted limit of the plan; 0 is no limit.
pub(crate) fn quota(plan: &Plan, what: &str, limit: u64, wanted: u64) -> ApiResult<()> {
    if limit == 0 || wanted <= limit {
        return Ok(());
    }
    let text = format!("the plan '{}' allows {limit} {what}", plan.name);
    Err(ApiError::new(ErrorCode::QuotaExceeded, text).with("limit", Detail::Number(limit)))
}

pub(crate) fn exists_already(what: &str, name: &str) -> ApiError {
    let text = format!("{what} '{name}' exists already");
    ApiError::new(ErrorCode::AlreadyExists, text)
}

/// Path of a thing in an instance, for the audit log.
pub(crate) fn object(instance: &Instance, kind: &str, name: &str) -> String {
    format!("{}/{kind}/{name}", instance.uid)
}
