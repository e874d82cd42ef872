//! The host of a receiver's URL: an address, or a name that only DNS can turn into one.
//!
//! Systems read `2130706433`, `0x7f.1` and `017700000001` as 127.0.0.1, each in its own way. Such
//! spellings are refused here, so that none reaches a resolver dressed as a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// Longest name that DNS can carry, without the dot at its end.
const NAME_BYTES_MAX: usize = 253;
/// Longest part of a name.
const LABEL_BYTES_MAX: usize = 63;

/// Why a text is not a URL that deliveries can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("is not a URL")]
    Malformed,
    /// Another scheme, or none.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// A user name or password before the host.
    #[error("must not contain a user name or password")]
    UserInfo,
    /// A host that is neither a name nor an address in its usual spelling.
    #[error("has a host that is {0}")]
    Host(&'static str),
    /// A port of zero, or one that isn't a number.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
}

/// Who a URL points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address, written as such.
    Address(IpAddr),
    /// A name, in lower case, as the resolver gets it.
    Name(String),
}

/// Reads a receiver's URL: http or https, a host in its usual spelling, nothing before the host.
pub fn parse_url(text: &str) -> Result<Uri, UrlError> {
    // A fragment never leaves the client, so its presence is a mistake; `Uri` would drop it silently.
    if text.contains('#') {
        return Err(UrlError::Malformed);
    }
    let url: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(UrlError::Scheme);
    }
    let authority = url.authority().ok_or(UrlError::Malformed)?.as_str();
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    parse_host(url.host().unwrap_or_default()).map_err(UrlError::Host)?;
    // The port as written, because the parsed one is absent as well when it isn't a number.
    let after_host = authority.strip_prefix(url.host().unwrap_or_default()).unwrap_or_default();
    if !after_host.is_empty() && url.port_u16().is_none_or(|port| port == 0) {
        return Err(UrlError::Port);
    }
    Ok(url)
}

/// Reads the host of a URL, brackets included. The error is what the text is instead.
pub fn parse_host(text: &str) -> Result<Host, &'static str> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or("a bracket without its pair")?;
        let six: Ipv6Addr = inner.parse().map_err(|_| "not an IPv6 address")?;
        return Ok(Host::Address(IpAddr::V6(six)));
    }
    // One dot at the end is the root of DNS and changes nothing; resolvers ignore it on addresses.
    let name = text.strip_suffix('.').unwrap_or(text);
    if let Ok(four) = name.parse::<Ipv4Addr>() {
        return Ok(Host::Address(IpAddr::V4(four)));
    }
    if name.is_empty() {
        return Err("empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("too long");
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > LABEL_BYTES_MAX {
            return Err("a name with an empty or overlong part");
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err("a name with a character outside a-z, 0-9, - and _");
        }
    }
    if name.rsplit('.').next().is_some_and(reads_as_number) {
        return Err("a number or an unusual spelling of an address");
    }
    Ok(Host::Name(name.to_ascii_lowercase()))
}

/// Whether a C library could take the last part of a name for a part of an address.
fn reads_as_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}
