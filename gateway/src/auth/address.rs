//! Lists of addresses that a user may call from: single addresses and CIDR ranges.

use std::net::IpAddr;

/// Whether an address is on the list. An entry that cannot be read matches nothing.
pub(crate) fn is_in(ip: IpAddr, list: &[String]) -> bool {
    let ip = ip.to_canonical();
    list.iter().any(|entry| matches(ip, entry))
}

fn matches(ip: IpAddr, entry: &str) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, bits.parse::<u32>().ok()),
        None => (entry, Some(128)),
    };
    let (Ok(network), Some(bits)) = (network.trim().parse::<IpAddr>(), bits) else {
        return false;
    };
    match (ip, network.to_canonical()) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => shared(
            u128::from(u32::from(ip)),
            u128::from(u32::from(network)),
            bits,
            32,
        ),
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            shared(u128::from(ip), u128::from(network), bits, 128)
        }
        _ => false,
    }
}

/// Whether the first `bits` of two numbers of `width` bits agree.
fn shared(a: u128, b: u128, bits: u32, width: u32) -> bool {
    let ignored = width.saturating_sub(bits);
    a.checked_shr(ignored).unwrap_or(0) == b.checked_shr(ignored).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges() {
        let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(is_in(ip("10.1.2.3"), &list(&["10.1.2.3"])));
        assert!(is_in(ip("::ffff:10.1.2.3"), &list(&["10.1.0.0/16"])));
        assert!(!is_in(
            ip("10.2.2.3"),
            &list(&["10.1.0.0/16", "rubbish", "10.2.2.3/x"])
        ));
        assert!(is_in(ip("2001:db8::7"), &list(&["2001:db8::/32"])));
        assert!(!is_in(ip("2001:db9::7"), &list(&["2001:db8::/32"])));
        assert!(is_in(ip("1.2.3.4"), &list(&["0.0.0.0/0"])));
        assert!(!is_in(ip("1.2.3.4"), &list(&["::/0"])));
    }
}
