//! Sizes and times as people write them: `64MiB`, `30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const SIZE_RULE: &str = "expected a size like 512KiB, 64MiB or 2GiB";
const TIME_RULE: &str = "expected a time with its unit, like 500ms, 30s, 5m or 2h";

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

impl ByteSize {
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    /// Digits and a unit: none or `B`, `KiB`, `MiB`, `GiB`, `TiB` (powers of
    /// 1024), `KB`, `MB`, `GB`, `TB` (powers of 1000).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = split(text).ok_or(SIZE_RULE)?;
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => return Err(SIZE_RULE),
        };
        number.checked_mul(factor).map(Self).ok_or(SIZE_RULE)
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that divides it, so that parsing gives it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// Digits and a unit out of `ms`, `s`, `m`, `h`. A bare number is refused: it
/// does not say what it counts.
///
/// # Errors
/// The rule in words, for anything else.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = split(text).ok_or(TIME_RULE)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(TIME_RULE),
    };
    let millis = number.checked_mul(factor).ok_or(TIME_RULE)?;
    Ok(Duration::from_millis(millis))
}

/// The inverse of [`parse_duration`] for whole milliseconds.
#[must_use]
pub fn format_duration(time: Duration) -> String {
    let millis = time.as_millis();
    for (factor, unit) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis != 0 && millis.is_multiple_of(factor) {
            return format!("{}{unit}", millis / factor);
        }
    }
    format!("{millis}ms")
}

/// `"64 MiB"` into its number and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_and_print() {
        for (text, bytes) in [
            ("0", 0),
            ("17B", 17),
            ("64MiB", 64 << 20),
            (" 2 GiB ", 2 << 30),
            ("3KB", 3_000),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in [
            "",
            "MiB",
            "-1",
            "1.5GiB",
            "64mib",
            "1EiB",
            "99999999TiB",
            "1 2",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        for bytes in [0, 1, 1023, 1024, 1536, 1 << 20, (1 << 30) + 1, u64::MAX] {
            let text = ByteSize(bytes).to_string();
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn times_parse_and_print() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
        for bad in ["", "30", "s", "-1s", "1.5s", "1d", "18446744073709551615h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        for millis in [0, 1, 999, 1000, 61_000, 60_000, 3_600_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(time)), Ok(time));
        }
    }
}
