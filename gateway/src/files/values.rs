//! What stands in a cell: the codes and words of SEED_SPEC 7 and 8, read in every
//! form that the guide uses for them.

use std::fmt::Display;
use std::str::FromStr;

use firn_protocol::catalogue::{Permission, PullMechanism, StartPosition};
use firn_protocol::limits::{
    IMPORT_CELL_BYTES_MAX, NAMES_LISTED_MAX, NUMBER_MAX, REMARK_BYTES_MAX,
};
use firn_protocol::{Timestamp, names};
use serde::de::DeserializeOwned;

use super::Cell;

/// What a cell means, or which rule it breaks.
pub(super) type Value<T> = Result<T, String>;

const BY_CLIENT: &str = "由客户端指定";
const FROM_FIRST: &str = "从最早的消息开始";
const FROM_LAST: &str = "从最新的消息开始";
const BY_THE_CLIENT: &str = "1.X版本消费机制";
const BY_THE_SERVER: &str = "2.X版本消费机制";

/// I-39: all forms of a yes.
pub(super) fn flag(text: &str) -> Value<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "有序" | "是" => Ok(true),
        "false" | "无序" | "否" => Ok(false),
        _ => Err("neither TRUE nor FALSE".to_owned()),
    }
}

/// I-40: codes and words of a permission.
pub(super) fn permission(text: &str) -> Value<Permission> {
    match text {
        "6" | "读写" | "可读可写" => Ok(Permission::ReadWrite),
        "4" | "只读" | "只读禁写" => Ok(Permission::Read),
        "2" | "只写" | "只写禁读" => Ok(Permission::Write),
        _ => Err("none of 6, 4, 2".to_owned()),
    }
}

pub(super) fn permission_code(permission: Permission) -> Cell {
    Cell::Number(match permission {
        Permission::ReadWrite => 6,
        Permission::Read => 4,
        Permission::Write => 2,
    })
}

/// I-38: where a group starts, and whether its clients say so; also a time, of which the
/// guide knows nothing.
pub(super) fn start(text: &str) -> Value<(StartPosition, bool)> {
    match text {
        // What nobody asks for otherwise.
        "1" | BY_CLIENT => Ok((StartPosition::default(), true)),
        "2" | FROM_FIRST => Ok((StartPosition::Earliest, false)),
        "3" | FROM_LAST => Ok((StartPosition::Latest, false)),
        text => match number(text, 0, NUMBER_MAX) {
            Ok(time) if time > 3 => Ok((StartPosition::Time(Timestamp(time)), false)),
            Ok(_) | Err(_) => Err("none of 1, 2, 3, and no time in ms".to_owned()),
        },
    }
}

pub(super) fn start_cell(start: StartPosition, is_by_client: bool) -> Cell {
    match start {
        StartPosition::Earliest if is_by_client => Cell::text(BY_CLIENT),
        StartPosition::Earliest => Cell::text(FROM_FIRST),
        StartPosition::Latest => Cell::text(FROM_LAST),
        StartPosition::Time(time) => Cell::Number(time.0),
    }
}

/// Who keeps a group's progress, as its clients are told.
pub(super) fn mechanism(text: &str) -> Value<PullMechanism> {
    match text {
        "1" | BY_THE_CLIENT => Ok(PullMechanism::Client),
        "2" | BY_THE_SERVER => Ok(PullMechanism::Server),
        _ => Err("neither 1 nor 2".to_owned()),
    }
}

pub(super) fn mechanism_cell(mechanism: PullMechanism) -> Cell {
    Cell::text(match mechanism {
        PullMechanism::Client => BY_THE_CLIENT,
        PullMechanism::Server => BY_THE_SERVER,
    })
}

pub(super) fn number<T>(text: &str, min: T, max: T) -> Value<T>
where
    T: FromStr + PartialOrd + Display + Copy,
{
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("not a whole number from {min} to {max}"))
}

/// A word of the API, such as a topic's type.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Value<T> {
    let value = serde_json::Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|error| {
        let error = error.to_string();
        match error.split_once(", expected ") {
            Some((_, expected)) => format!("expected {expected}"),
            None => error,
        }
    })
}

pub(super) fn word_cell(value: impl serde::Serialize) -> Cell {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Cell::Text(text),
        Ok(_) | Err(_) => Cell::text(""),
    }
}

pub(super) fn remark(text: &str) -> Value<String> {
    if text.len() > REMARK_BYTES_MAX {
        return Err(format!("at most {REMARK_BYTES_MAX} bytes"));
    }
    if text.contains('\0') {
        return Err("must not hold a zero character".to_owned());
    }
    Ok(text.to_owned())
}

/// Names joined by `;` or `|`, each perhaps with `=` and a rate; none for `*` and
/// for nothing, which both mean any.
pub(super) fn list(text: &str) -> Value<Vec<(String, u64)>> {
    let mut listed = Vec::new();
    for item in text.split([';', '|']).map(str::trim) {
        if item.is_empty() || (item == "*" && text.trim() == "*") {
            continue;
        }
        let (name, rate) = item.split_once('=').unwrap_or((item, "0"));
        names::check("name", name).map_err(|error| error.message)?;
        let rate = number(rate, 0, NUMBER_MAX)?;
        if listed.len() == NAMES_LISTED_MAX {
            return Err(format!("over {NAMES_LISTED_MAX} names"));
        }
        listed.push((name.to_owned(), rate));
    }
    let mut sorted: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("'{}' is there twice", pair[0])),
        None => Ok(listed),
    }
}

pub(super) fn list_cell<'a>(listed: impl Iterator<Item = (&'a str, u64)>) -> Cell {
    let items: Vec<String> = listed
        .map(|(name, rate)| match rate {
            0 => name.to_owned(),
            rate => format!("{name}={rate}"),
        })
        .collect();
    match items.is_empty() {
        true => Cell::text("*"),
        false => Cell::Text(items.join(";")),
    }
}

pub(super) fn require_short(text: &str) -> Value<()> {
    match text.len() > IMPORT_CELL_BYTES_MAX {
        true => Err(format!("over {IMPORT_CELL_BYTES_MAX} bytes")),
        false => Ok(()),
    }
}

pub(super) fn flag_cell(flag: bool) -> Cell {
    Cell::text(if flag { "true" } else { "false" })
}
