//! Which addresses a delivery may go to.
//!
//! A receiver's URL is input: whoever can write it must not reach what only this machine can reach.
//! Everything that isn't plainly public is refused, unless the config names its network. An IPv6
//! address with an IPv4 one inside is judged by the one inside first, whatever is said of its own
//! network, so that allowing a translation prefix opens no private network behind it.
//!
//! Never resolves a name; the caller vets every address that a name turns out to have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

mod host;

pub use host::{Host, UrlError, parse_host, parse_url};

/// The instance metadata of the large clouds, where it isn't in a refused network anyway or deserves
/// its own name.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

const REFUSED_V4: [(Ipv4Net, &str); 16] = [
    (v4([0, 0, 0, 0], 8), "this network"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "protocol assignment"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([255, 255, 255, 255], 32), "broadcast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// First match wins; what is in none of them and not in [`GLOBAL_V6`] is reserved.
const REFUSED_V6: [(Ipv6Net, &str); 12] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard-only"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "benchmarking"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignment"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "segment routing"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];
/// The only part of the IPv6 space that is handed out for public use.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);
const COMPATIBLE: Ipv6Net = v6([0, 0, 0, 0, 0, 0, 0, 0], 96);
const TRANSLATED: Ipv6Net = v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const NAT64_LOCAL: Ipv6Net = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
const TEREDO: Ipv6Net = v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);

/// Refuses `address` with the kind of address it is, unless it is public or in an `allowed` network.
pub fn vet(address: IpAddr, allowed: &[IpNet]) -> Result<(), &'static str> {
    let named = |address: IpAddr| allowed.iter().any(|network| network.contains(&address));
    match address {
        IpAddr::V4(_) if named(address) => Ok(()),
        IpAddr::V4(four) => refusal_v4(four).map_or(Ok(()), Err),
        IpAddr::V6(six) => {
            if let Some((form, inner)) = embedded(six) {
                let inner_named = named(IpAddr::V4(inner));
                if let Some(reason) = refusal_v4(inner)
                    && !inner_named
                {
                    return Err(reason);
                }
                // A mapped address is the IPv4 one by another spelling, so naming that names this.
                let spelled_out = form == Form::Mapped && inner_named;
                if spelled_out || named(address) {
                    return Ok(());
                }
                if let Some(reason) = form.refusal() {
                    return Err(reason);
                }
            }
            if named(address) {
                return Ok(());
            }
            refusal_v6(six).map_or(Ok(()), Err)
        }
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    if METADATA_V4.contains(&address) {
        return Some("cloud metadata");
    }
    REFUSED_V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, reason)| *reason)
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    if METADATA_V6.contains(&address) {
        return Some("cloud metadata");
    }
    let listed = REFUSED_V6.iter().find(|(network, _)| network.contains(&address));
    match listed {
        Some((_, reason)) => Some(reason),
        None if GLOBAL_V6.contains(&address) => None,
        None => Some("reserved"),
    }
}

/// How an IPv6 address carries an IPv4 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Mapped,
    Compatible,
    Translated,
    Nat64,
    Nat64Local,
    SixToFour,
    Teredo,
    Isatap,
}

impl Form {
    /// Why even a public address inside doesn't help.
    const fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Mapped => Some("IPv4-mapped"),
            Self::Compatible => Some("IPv4-compatible"),
            Self::Translated => Some("IPv4-translated"),
            Self::Nat64 | Self::Nat64Local => Some("NAT64"),
            Self::SixToFour => Some("6to4"),
            Self::Teredo => Some("Teredo"),
            // An ordinary public prefix that only happens to name the inner one.
            Self::Isatap => None,
        }
    }
}

fn embedded(address: Ipv6Addr) -> Option<(Form, Ipv4Addr)> {
    let o = address.octets();
    let last = Ipv4Addr::new(o[12], o[13], o[14], o[15]);
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let tail_forms = [
        (MAPPED, Form::Mapped),
        (COMPATIBLE, Form::Compatible),
        (TRANSLATED, Form::Translated),
        (NAT64, Form::Nat64),
        // The operator chooses where in /48 the inner address stands; the tail is the usual place.
        (NAT64_LOCAL, Form::Nat64Local),
    ];
    if let Some((_, form)) = tail_forms.into_iter().find(|(network, _)| network.contains(&address)) {
        return Some((form, last));
    }
    if SIX_TO_FOUR.contains(&address) {
        return Some((Form::SixToFour, Ipv4Addr::new(o[2], o[3], o[4], o[5])));
    }
    if TEREDO.contains(&address) {
        // The client's address is stored with its bits turned.
        return Some((Form::Teredo, Ipv4Addr::new(!o[12], !o[13], !o[14], !o[15])));
    }
    let isatap = matches!(o[8..12], [0 | 2, 0, 0x5e, 0xfe]);
    isatap.then_some((Form::Isatap, last))
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

#[cfg(test)]
mod tests;
