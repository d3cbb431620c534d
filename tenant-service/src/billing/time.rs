//! Hours and months as the books count them, in UTC.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate};
use firn_protocol::Timestamp;

pub(crate) const HOUR_MS: u64 = 3_600_000;
const YEAR_MAX: u32 = 9999;

/// Hours since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hour(pub(crate) u32);

impl Hour {
    /// Times beyond the year 9999 are taken as its last.
    pub(crate) fn of(time: Timestamp) -> Self {
        let last = Month(YEAR_MAX * 100 + 12).end().0 / HOUR_MS - 1;
        Self((time.0 / HOUR_MS).min(last) as u32)
    }

    pub(crate) fn start(self) -> Timestamp {
        Timestamp(u64::from(self.0) * HOUR_MS)
    }

    pub(crate) fn end(self) -> Timestamp {
        self.start().plus_ms(HOUR_MS)
    }

    pub(crate) fn month(self) -> Month {
        Month::of(self.start())
    }
}

impl fmt::Display for Hour {
    /// `2025-01-31T23:00Z`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_millis(self.start().0 as i64).unwrap_or_default();
        write!(f, "{}", time.format("%Y-%m-%dT%H:%MZ"))
    }
}

/// A month as YYYYMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month(u32);

impl Month {
    pub(crate) fn of(time: Timestamp) -> Self {
        let ms = i64::try_from(time.0).unwrap_or(i64::MAX);
        let date = DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
        match u32::try_from(date.year()) {
            Ok(year) if year <= YEAR_MAX => Self(year * 100 + date.month()),
            Ok(_) | Err(_) => Self(YEAR_MAX * 100 + 12),
        }
    }

    /// `YYYY-MM`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits =
            |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        Self::from_number(year.parse::<u32>().ok()? * 100 + month.parse::<u32>().ok()?)
    }

    /// The inverse of [`Self::number`].
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        let is_month = (197_001..=YEAR_MAX * 100 + 12).contains(&number);
        (is_month && (1..=12).contains(&(number % 100))).then_some(Self(number))
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn start(self) -> Timestamp {
        let (year, month) = (self.0 / 100, self.0 % 100);
        let date = NaiveDate::from_ymd_opt(year as i32, month, 1).unwrap_or_default();
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        Timestamp(days as u64 * 24 * HOUR_MS)
    }

    pub(crate) fn end(self) -> Timestamp {
        self.next().start()
    }

    pub(crate) fn next(self) -> Self {
        match self.0 % 100 {
            12 => Self(self.0 + 89),
            _ => Self(self.0 + 1),
        }
    }

    pub(crate) fn first_hour(self) -> Hour {
        Hour::of(self.start())
    }

    /// The first one that is not in it any more.
    pub(crate) fn end_hour(self) -> Hour {
        Hour((self.end().0 / HOUR_MS) as u32)
    }

    pub(crate) fn hours(self) -> u32 {
        self.end_hour().0 - self.first_hour().0
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn months_have_their_hours() {
        for (text, hours) in [
            ("2025-01", 744),
            ("2025-02", 672),
            ("2024-02", 696),
            ("2000-02", 696),
            ("2100-02", 672),
            ("2025-04", 720),
        ] {
            let month = Month::parse(text).unwrap();
            assert_eq!((month.hours(), month.to_string()), (hours, text.to_owned()));
        }
        assert_eq!(
            Month::parse("2025-01").unwrap().start().0,
            1_735_689_600_000
        );
        for bad in [
            "2025-1", "2025-13", "2025-00", "1969-12", "202501", "2025-+1", "",
        ] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
        assert_eq!(Hour(482_136).to_string(), "2025-01-01T00:00Z");
    }

    #[test]
    fn the_last_month_is_that_of_all_later_times() {
        let last = Month::parse("9999-12").unwrap();
        for ms in [253_402_300_799_999, 253_402_300_800_000, u64::MAX] {
            assert_eq!(Month::of(Timestamp(ms)), last, "{ms}");
        }
    }

    proptest! {
        #[test]
        fn every_time_lies_in_its_hour_and_month(ms in 0u64..253_402_300_800_000) {
            let time = Timestamp(ms);
            let (hour, month) = (Hour::of(time), Month::of(time));
            prop_assert!(hour.start() <= time && time < hour.end());
            prop_assert!(month.start() <= time && time < month.end());
            prop_assert_eq!(hour.month(), month);
            prop_assert!(Month::from_number(month.next().number()).is_some() || month.number() == 999_912);
            prop_assert_eq!(Month::parse(&month.to_string()), Some(month));
        }

        #[test]
        fn no_time_is_too_late(ms: u64) {
            let month = Hour::of(Timestamp(ms)).month();
            prop_assert!(month.number() <= 999_912 && Month::of(Timestamp(ms)) >= month);
        }
    }
}
