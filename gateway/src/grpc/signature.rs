//! How a call is signed: HMAC-SHA1 of the date header under the caller's secret.
//! Nothing else is signed, so the header is as good as a password for as long as its
//! date is taken; only TLS keeps it secret.

use chrono::NaiveDate;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

const ALGORITHM: &str = "MQv2-HMAC-SHA1";
const SIGNATURE_BYTES: usize = 20;
/// Longest header that is looked at.
const HEADER_BYTES_MAX: usize = 2048;
/// How far a date may be from now. Clients send their local time and call it UTC, and
/// there are time zones of 14 hours.
const SKEW_MS_MAX: u64 = (14 * 60 + 30) * 60_000;

/// An `authorization` header.
pub(super) struct Signed<'a> {
    pub(super) access_key: &'a str,
    signature: [u8; SIGNATURE_BYTES],
}

impl<'a> Signed<'a> {
    /// `None` for what is no such header.
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let (algorithm, items) = header.split_once(' ')?;
        if algorithm != ALGORITHM || header.len() > HEADER_BYTES_MAX {
            return None;
        }
        let (mut credential, mut signature) = (None, None);
        for item in items.split(',') {
            match item.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => {}
            }
        }
        let mut bytes = [0; SIGNATURE_BYTES];
        hex::decode_to_slice(signature?, &mut bytes).ok()?;
        // Some clients add region and service.
        let access_key = credential?.split('/').next()?;
        Some(Self {
            access_key,
            signature: bytes,
        })
    }

    /// Whether this secret signed the date, as it was sent; in constant time.
    pub(super) fn is_by(&self, secret: &[u8], date: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else {
            return false;
        };
        mac.update(date);
        mac.verify_slice(&self.signature).is_ok()
    }
}

/// Whether a date is near enough to now. An offset in it is passed over: it is no
/// longer than what is tolerated anyway.
pub(super) fn is_recent(date: &str, now_ms: u64) -> bool {
    local_ms(date).is_some_and(|ms| ms.abs_diff(now_ms) <= SKEW_MS_MAX)
}

/// Reads `20261122T131536Z` and `2026-11-22T13:15:36`, with whatever follows.
fn local_ms(date: &str) -> Option<u64> {
    let mut numbers = [0_u32; 6];
    let mut digits = date
        .bytes()
        .filter(|b| !matches!(b, b'-' | b':' | b'T' | b't' | b' '));
    for (number, width) in numbers.iter_mut().zip([4, 2, 2, 2, 2, 2]) {
        for _ in 0..width {
            let digit = digits.next().filter(u8::is_ascii_digit)?;
            *number = *number * 10 + u32::from(digit - b'0');
        }
    }
    let [year, month, day, hour, minute, second] = numbers;
    let time = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?
        // A leap second is as good as the one before it.
        .and_hms_opt(hour, minute, second - second / 60)?;
    u64::try_from(time.and_utc().timestamp_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl dgst -sha1 -hmac`.
    const DATE: &str = "20261122T131536Z";
    const HEX: &str = "c33754a608c0546a56560a6c57d280b664e30ddc";
    const DATE_MS: u64 = 1_795_353_336_000;

    fn header(signature: &str) -> String {
        format!(
            "{ALGORITHM} Credential=demo/cn/rmq, SignedHeaders=x-mq-date-time, Signature={signature}"
        )
    }

    #[test]
    fn either_case_of_hex_is_taken() {
        for signature in [HEX.to_owned(), HEX.to_uppercase()] {
            let header = header(&signature);
            let signed = Signed::parse(&header).unwrap();
            assert_eq!(signed.access_key, "demo");
            assert!(signed.is_by(b"demo-secret", DATE.as_bytes()));
            assert!(!signed.is_by(b"demo-secreT", DATE.as_bytes()));
            assert!(!signed.is_by(b"demo-secret", b"20261122T131537Z"));
        }
    }

    #[test]
    fn rubbish_is_no_header() {
        let good = header(HEX);
        let bad = [
            "",
            "MQv2-HMAC-SHA1",
            "MQv2-HMAC-SHA1 ",
            "Basic ZGVtbzpkZW1v",
            &good.replace("SHA1", "SHA256"),
            &good.replace("Signature=", "Signature=0"),
            &good.replace("Signature=", "Sign="),
            &good.replace("Credential=", "Cred="),
            &format!("{good}, no pair"),
            &"x ".repeat(10_000),
        ];
        for header in bad {
            assert!(Signed::parse(header).is_none(), "{header}");
        }
    }

    #[test]
    fn dates_are_read_in_all_forms_and_bounded() {
        for date in [
            DATE,
            "2026-11-22T13:15:36Z",
            "2026-11-22T13:15:36.123456789+08:00",
        ] {
            assert_eq!(local_ms(date), Some(DATE_MS), "{date}");
            assert!(is_recent(date, DATE_MS + SKEW_MS_MAX));
            assert!(is_recent(date, DATE_MS - SKEW_MS_MAX));
            assert!(!is_recent(date, DATE_MS + SKEW_MS_MAX + 1));
            assert!(!is_recent(date, DATE_MS - SKEW_MS_MAX - 1));
        }
        assert_eq!(local_ms("19700101T000000Z"), Some(0));
        assert_eq!(local_ms("20240229T235959Z"), Some(1_709_251_199_000));
        for date in [
            "",
            "now",
            "2026",
            "20261322T131536Z",
            "20261122T241536Z",
            "1795353336000",
        ] {
            assert_eq!(local_ms(date), None, "{date}");
        }
    }
}
