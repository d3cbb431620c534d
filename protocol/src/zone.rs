//! Dates and times of day in an instance's time zone.

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use crate::Timestamp;
use crate::catalogue::Instance;

const HOURS_MAX: i32 = 14;
const MINUTE_SECS: i32 = 60;

/// A time zone: so far from UTC, or as the tz database knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fixed(FixedOffset),
    Named(Tz),
}

impl Zone {
    /// Reads `UTC`, `UTC+8`, `UTC-03:30`, `GMT+8` and names of the tz database such as
    /// `Europe/Vienna`. `None` for what is neither.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let fixed = name
            .strip_prefix("UTC")
            .or_else(|| name.strip_prefix("GMT"))
            .and_then(offset);
        fixed
            .map(Kind::Fixed)
            .or_else(|| name.parse().ok().map(Kind::Named))
            .map(Self)
    }

    /// The zone of an instance; UTC if a catalogue of an earlier version holds something
    /// that is none.
    #[must_use]
    pub fn of(instance: &Instance) -> Self {
        Self::parse(&instance.time_zone).unwrap_or(Self(Kind::Named(Tz::UTC)))
    }

    /// When the day of a time begins: at midnight, or where clocks skip that, when they
    /// go on.
    #[must_use]
    pub fn midnight(self, at: Timestamp) -> Timestamp {
        let Some(utc) = i64::try_from(at.0)
            .ok()
            .and_then(DateTime::from_timestamp_millis)
        else {
            return at;
        };
        let local = match self.0 {
            Kind::Fixed(zone) => utc.with_timezone(&zone).naive_local(),
            Kind::Named(zone) => utc.with_timezone(&zone).naive_local(),
        };
        let midnight = local.date().and_time(chrono::NaiveTime::MIN);
        // No clock was ever put forward by more than a day.
        (0..=24 * 4)
            .find_map(|quarters| self.utc(midnight + TimeDelta::minutes(15 * quarters)))
            .unwrap_or_default()
    }

    /// Reads `yyyy-MM-dd HH:mm:ss`, also with a `T` between. The earlier one of two times
    /// that clocks show the same; none for a time that no clock shows, or before 1970.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Timestamp> {
        let (date, time) = text.split_once([' ', 'T'])?;
        let is_plain = has_digits(date, '-', [4, 2, 2]) && has_digits(time, ':', [2, 2, 2]);
        let text = format!("{date} {time}");
        let local = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").ok()?;
        // The format takes second 60, which no clock here shows.
        let is_time = is_plain && !time.ends_with("60");
        self.utc(local).filter(|_| is_time)
    }

    fn utc(self, local: NaiveDateTime) -> Option<Timestamp> {
        let ms = match self.0 {
            Kind::Fixed(zone) => zone
                .from_local_datetime(&local)
                .earliest()?
                .timestamp_millis(),
            Kind::Named(zone) => zone
                .from_local_datetime(&local)
                .earliest()?
                .timestamp_millis(),
        };
        u64::try_from(ms).ok().map(Timestamp)
    }
}

/// Reads `+8`, `-03:30`.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "00"));
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    let is_known = hours <= HOURS_MAX && minutes < 60;
    let secs = sign * (hours * 60 + minutes) * MINUTE_SECS;
    FixedOffset::east_opt(secs).filter(|_| is_known)
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i32> {
    let is_number = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Whether there are three numbers of these many digits.
fn has_digits(text: &str, separator: char, digits: [usize; 3]) -> bool {
    let mut parts = text.split(separator);
    let all = digits.into_iter().all(|count| {
        parts
            .next()
            .is_some_and(|part| number(part, count..=count).is_some())
    });
    all && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(zone: &str, text: &str) -> Option<u64> {
        let zone = Zone::parse(zone).expect(zone);
        zone.read(text).map(|time| time.0)
    }

    #[test]
    fn times_are_read_in_their_zone() {
        assert_eq!(read("UTC", "1970-01-01 00:00:00"), Some(0));
        assert_eq!(read("UTC+8", "1970-01-01T08:00:01"), Some(1000));
        // The sample of SEED_SPEC 5.6, and a leap day.
        for zone in ["UTC+8", "GMT+08:00", "Asia/Shanghai"] {
            assert_eq!(read(zone, "2019-07-03 00:00:00"), Some(1_562_083_200_000));
        }
        assert_eq!(read("UTC", "2024-02-29 12:00:00"), Some(1_709_208_000_000));
        assert_eq!(read("UTC-03:30", "1970-01-01 00:00:00"), Some(12_600_000));
        for bad in [
            "2023-02-29 00:00:00",
            "2024-13-01 00:00:00",
            "2024-01-01 24:00:00",
            "2024-01-01 00:00:60",
            "2024-1-1 0:0:0",
            "2024-01-01  0:00:00",
            "+024-01-01 00:00:00",
            "2024-01-01",
            "1969-12-31 23:59:59",
            "soon",
            "",
        ] {
            assert_eq!(read("UTC", bad), None, "{bad}");
        }
    }

    #[test]
    fn clocks_of_a_named_zone_are_put_forward_and_back() {
        let vienna = |text| read("Europe/Vienna", text);
        // 2026-01-01T00:00Z and 2026-07-01T00:00Z, of `date -u +%s`.
        assert_eq!(vienna("2026-01-01 01:00:00"), Some(1_767_225_600_000));
        assert_eq!(vienna("2026-07-01 02:00:00"), Some(1_782_864_000_000));
        assert_eq!(vienna("2026-03-29 02:30:00"), None, "no clock shows it");
        // Shown twice, at 00:30Z and 01:30Z: nothing is passed over by the earlier one.
        assert_eq!(vienna("2026-10-25 02:30:00"), Some(1_792_888_200_000));
    }

    #[test]
    fn days_begin_at_midnight() {
        let midnight = |zone: &str, at| Zone::parse(zone).expect(zone).midnight(Timestamp(at)).0;
        assert_eq!(midnight("UTC", 1_735_689_600_000), 1_735_689_600_000);
        assert_eq!(midnight("UTC", 1_735_689_599_999), 1_735_603_200_000);
        assert_eq!(midnight("UTC+8", 1_735_689_600_000), 1_735_660_800_000);
        // A day of 25 hours: from 2026-10-24T22:00Z to 2026-10-25T23:00Z.
        let begin = 1_792_879_200_000;
        assert_eq!(midnight("Europe/Vienna", begin), begin);
        assert_eq!(midnight("Europe/Vienna", begin + 89_999_999), begin);
        assert_eq!(
            midnight("Europe/Vienna", begin + 90_000_000),
            begin + 90_000_000
        );
        // Beirut's clocks go from 00:00 to 01:00: 2026-03-28T22:00Z.
        assert_eq!(
            midnight("Asia/Beirut", 1_774_740_000_000),
            1_774_735_200_000
        );
        assert_eq!(midnight("UTC", u64::MAX), u64::MAX);
    }

    #[test]
    fn what_is_no_zone_is_none() {
        for bad in [
            "", "UTC+", "UTC+15", "UTC+8:5", "UTC+8:60", "UTC++8", "Vienna", "utc+8 ",
        ] {
            assert_eq!(Zone::parse(bad), None, "{bad}");
        }
        for good in [
            "UTC",
            "GMT",
            "UTC+14",
            "UTC-0",
            "GMT+0",
            "Etc/GMT+8",
            "EST5EDT",
        ] {
            assert!(Zone::parse(good).is_some(), "{good}");
        }
    }
}
