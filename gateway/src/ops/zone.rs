//! Dates and times of day in an instance's time zone. Zones with a fixed distance from
//! UTC are known; in any other, times are those of UTC.

use firn_protocol::Timestamp;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// A distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    offset_ms: i64,
}

impl Zone {
    /// Reads `UTC+8`, `UTC-03:30`, `GMT+8` and the like.
    pub(crate) fn parse(name: &str) -> Self {
        let offset = name
            .strip_prefix("UTC")
            .or_else(|| name.strip_prefix("GMT"))
            .and_then(offset_ms);
        Self {
            offset_ms: offset.unwrap_or(0),
        }
    }

    /// When the day of a time begins.
    pub(crate) fn midnight(self, at: Timestamp) -> Timestamp {
        let local = at.0 as i64 + self.offset_ms;
        let midnight = local - local.rem_euclid(DAY_MS) - self.offset_ms;
        Timestamp(midnight.max(0) as u64)
    }

    /// Reads `yyyy-MM-dd HH:mm:ss`; none for a time that no clock shows, or before 1970.
    pub(crate) fn read(self, text: &str) -> Option<Timestamp> {
        let (date, time) = text.split_once([' ', 'T'])?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let is_time = hour < 24 && minute < 60 && second < 60;
        let days = days_since_1970(year, month, day).filter(|_| is_time)?;
        let local = days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000;
        u64::try_from(local - self.offset_ms).ok().map(Timestamp)
    }
}

fn offset_ms(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let is_known = (0..=14).contains(&hours) && (0..60).contains(&minutes);
    is_known.then_some(sign * (hours * 60 + minutes) * MINUTE_MS)
}

/// Three numbers of these many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let is_number = part.bytes().all(|b| b.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(found)
}

/// Days of the Gregorian calendar; years begin in March, so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let in_year = (153 * month + 2) / 5 + day - 1;
    let before = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 1 March of the year 0 and 1 January 1970.
    Some(before + in_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_zone() {
        let read = |zone: &str, text: &str| Zone::parse(zone).read(text).map(|time| time.0);
        assert_eq!(read("UTC", "1970-01-01 00:00:00"), Some(0));
        assert_eq!(read("UTC+8", "1970-01-01 08:00:01"), Some(1000));
        // The sample of SEED_SPEC 5.6, and a leap day.
        assert_eq!(
            read("UTC+8", "2019-07-03 00:00:00"),
            Some(1_562_083_200_000)
        );
        assert_eq!(read("UTC", "2024-02-29 12:00:00"), Some(1_709_208_000_000));
        assert_eq!(read("UTC-03:30", "1970-01-01 00:00:00"), Some(12_600_000));
        assert_eq!(
            read("Europe/Vienna", "1970-01-02 00:00:00"),
            Some(86_400_000)
        );
        for bad in [
            "2023-02-29 00:00:00",
            "2024-13-01 00:00:00",
            "2024-01-01 24:00:00",
            "2024-1-1 0:0:0",
            "2024-01-01",
            "1969-12-31 23:59:59",
            "soon",
        ] {
            assert_eq!(read("UTC", bad), None, "{bad}");
        }
    }

    #[test]
    fn days_begin_at_midnight() {
        let midnight = |zone: &str, at| Zone::parse(zone).midnight(Timestamp(at)).0;
        assert_eq!(midnight("UTC", 1_735_689_600_000), 1_735_689_600_000);
        assert_eq!(midnight("UTC", 1_735_689_599_999), 1_735_603_200_000);
        assert_eq!(midnight("UTC+8", 1_735_689_600_000), 1_735_660_800_000);
    }
}
