//! Which addresses are those of the house.

use core::net::IpAddr;

/// Says whether an address is of a network that the internet does not route (RFC 1918, 3927, 4193, 4291, 6598), or of the host itself.
pub(in crate::detect) fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_a_house_are_told_from_the_internet() {
        for text in ["192.168.1.7", "10.0.0.1", "127.0.0.1", "100.64.3.4", "fe80::1", "fd00::7", "::ffff:192.168.1.7"] {
            assert!(is_local(text.parse().unwrap()), "{text}");
        }
        for text in ["198.51.100.7", "172.32.0.1", "100.128.0.1", "2001:db8::7"] {
            assert!(!is_local(text.parse().unwrap()), "{text}");
        }
    }
}
