//! Networks as settings, and which literal addresses are private.
//!
//! Only for warnings at load: what a delivery may reach is decided at connect time, after DNS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::list;

impl list::Item for IpNet {
    const WANTED: &'static str = "networks, such as 10.0.0.0/8 or 127.0.0.1";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from))
    }
}

/// The address that `host` of a URL stands for without asking DNS.
pub fn literal(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether `ip` is not an address of the public internet.
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_private_v6(v6), is_private_v4),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let special = ip.is_multicast() || ip.is_broadcast() || a == 0 || a >= 240;
    shared || special || ip.is_private() || ip.is_loopback() || ip.is_link_local()
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let special = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    special || ip.is_unique_local() || ip.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_spelling() {
        for host in [
            "localhost",
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "[::1]",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(literal(host).is_some_and(is_private), "{host}");
        }
        for host in ["1.1.1.1", "[2606:4700::1]", "100.128.0.1"] {
            assert!(literal(host).is_some_and(|ip| !is_private(ip)), "{host}");
        }
        assert_eq!(literal("cosmospet.example"), None);
    }
}
