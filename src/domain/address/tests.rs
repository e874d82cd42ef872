//! Forms of addresses and spellings of hosts, one a line.

use proptest::prelude::*;

use super::*;

fn judged(text: &str, allowed: &[&str]) -> Result<(), &'static str> {
    let networks: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
    vet(text.parse().unwrap(), &networks)
}

#[test]
fn ipv4_addresses_by_their_kind() {
    for (address, kind) in [
        ("0.0.0.0", "this network"),
        ("0.1.2.3", "this network"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("100.100.100.200", "cloud metadata"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "cloud metadata"),
        ("169.254.0.1", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.1", "protocol assignment"),
        ("192.0.0.192", "cloud metadata"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4 relay"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
    ] {
        assert_eq!(judged(address, &[]), Err(kind), "{address}");
    }
}

#[test]
fn ipv6_addresses_by_their_kind() {
    for (address, kind) in [
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", "this network"),
        ("::127.0.0.1", "loopback"),
        ("::10.0.0.1", "private"),
        ("::8.8.8.8", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "cloud metadata"),
        ("::ffff:a9fe:a9fe", "cloud metadata"),
        ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("::ffff:0:10.0.0.1", "private"),
        ("::ffff:0:8.8.8.8", "IPv4-translated"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::8.8.8.8", "NAT64"),
        ("64:ff9b:1::10.0.0.1", "private"),
        ("64:ff9b:1:abcd::8.8.8.8", "NAT64"),
        ("64:ff9b:2::1", "reserved"),
        ("100::1", "discard-only"),
        // Inside stands 255.255.255.254: the bits are turned.
        ("2001::1", "reserved"),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "private"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "documentation"),
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", "Teredo"),
        ("2001:2::1", "benchmarking"),
        ("2001:10::1", "protocol assignment"),
        ("2001:20::1", "protocol assignment"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:c0a8:101::1", "private"),
        ("2002:808:808::1", "6to4"),
        ("2a00:1450:4001::5efe:10.0.0.1", "private"),
        ("2a00:1450:4001:0:200:5efe:192.168.0.1", "private"),
        ("3fff::1", "documentation"),
        ("4000::1", "reserved"),
        ("5f00::1", "segment routing"),
        ("fc00::1", "unique local"),
        ("fd12:3456:789a::1", "unique local"),
        ("fd00:ec2::254", "cloud metadata"),
        ("fd20:ce::254", "cloud metadata"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("ff0e::1", "multicast"),
    ] {
        assert_eq!(judged(address, &[]), Err(kind), "{address}");
    }
}

#[test]
fn public_addresses_pass() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:80b::200e",
        "2a00:1450:4001::5efe:8.8.8.8",
        "2001:4860:4860::8888",
        "2001:200::1",
    ] {
        assert_eq!(judged(address, &[]), Ok(()), "{address}");
    }
}

#[test]
fn a_named_network_is_open_and_only_that() {
    assert_eq!(judged("127.0.0.1", &["127.0.0.0/8"]), Ok(()));
    assert_eq!(judged("10.1.2.3", &["10.1.0.0/16"]), Ok(()));
    assert_eq!(judged("10.2.2.3", &["10.1.0.0/16"]), Err("private"));
    assert_eq!(judged("fd00::1", &["fd00::/8"]), Ok(()));
    assert_eq!(judged("::1", &["::1/128"]), Ok(()));
    assert_eq!(judged("::1", &["127.0.0.0/8"]), Err("loopback"));
    assert_eq!(judged("169.254.169.254", &["169.254.0.0/16"]), Ok(()));
}

#[test]
fn the_address_inside_must_be_open_too() {
    assert_eq!(judged("::ffff:10.0.0.1", &["10.0.0.0/8"]), Ok(()), "the same address, spelled longer");
    assert_eq!(judged("64:ff9b::8.8.8.8", &["64:ff9b::/96"]), Ok(()));
    assert_eq!(judged("64:ff9b::10.0.0.1", &["64:ff9b::/96"]), Err("private"));
    assert_eq!(judged("64:ff9b::10.0.0.1", &["10.0.0.0/8"]), Err("NAT64"));
    assert_eq!(judged("64:ff9b::10.0.0.1", &["64:ff9b::/96", "10.0.0.0/8"]), Ok(()));
    assert_eq!(judged("2002:7f00:1::1", &["::/0"]), Err("loopback"));
    assert_eq!(judged("2002:7f00:1::1", &["::/0", "0.0.0.0/0"]), Ok(()));
}

#[test]
fn hosts_that_are_addresses() {
    for (host, address) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("8.8.8.8", "8.8.8.8"),
        ("[::1]", "::1"),
        ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1"),
        ("[::FFFF:a00:1]", "::ffff:10.0.0.1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
    ] {
        assert_eq!(parse_host(host), Ok(Host::Address(address.parse().unwrap())), "{host}");
    }
}

#[test]
fn hosts_that_are_names() {
    for (host, name) in [
        ("localhost", "localhost"),
        ("LOCALHOST.", "localhost"),
        ("cosmospet.example", "cosmospet.example"),
        ("Cosmos-Pet.Example.", "cosmos-pet.example"),
        ("a_b.example", "a_b.example"),
        ("127.0.0.1.nip.io", "127.0.0.1.nip.io"),
        ("1.example", "1.example"),
        ("0xyz", "0xyz"),
        ("xn--maana-pta.example", "xn--maana-pta.example"),
    ] {
        assert_eq!(parse_host(host), Ok(Host::Name(name.to_owned())), "{host}");
    }
}

#[test]
fn hosts_that_are_refused() {
    for host in [
        "",
        ".",
        "2130706433",
        "0x7f000001",
        "0X7F000001",
        "0x",
        "017700000001",
        "0x7f.1",
        "0x7f.0.0.0x1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1..",
        "256.256.256.256",
        "1.2.3.4.5",
        "example.0x10",
        "example.1",
        "a..b",
        ".example",
        "::1",
        "[::1",
        "[127.0.0.1]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "exa mple",
        "ex%61mple",
        "127。0。0。1",
        "①②⑦.0.0.1",
    ] {
        assert!(parse_host(host).is_err(), "{host}");
    }
}

#[test]
fn urls_that_deliveries_can_go_to() {
    for good in [
        "https://cosmospet.example/api/ecosystem/webhooks",
        "http://localhost:8080/hook?x=1",
        "HTTPS://Example.com",
        "https://[2606:4700:4700::1111]:8443/",
        "http://127.0.0.1:65535",
    ] {
        assert!(parse_url(good).is_ok(), "{good}");
    }
    for (bad, error) in [
        ("", UrlError::Malformed),
        ("not a url", UrlError::Malformed),
        ("/hook", UrlError::Scheme),
        ("example.com", UrlError::Scheme),
        ("ftp://example.com/", UrlError::Scheme),
        ("https://user:password@example.com/", UrlError::UserInfo),
        ("https://example.com@127.0.0.1/", UrlError::UserInfo),
        ("https://example.com/#part", UrlError::Malformed),
        ("http://example.com:0/", UrlError::Port),
        ("http://example.com:/", UrlError::Port),
        ("http://example.com:65536/", UrlError::Port),
        ("http://example.com:1x/", UrlError::Port),
    ] {
        assert_eq!(parse_url(bad).err(), Some(error), "{bad}");
    }
    for odd in ["http://2130706433/", "http://0x7f.1/", "http://0x7f000001:80/", "http://127.1/"] {
        assert!(matches!(parse_url(odd), Err(UrlError::Host(_))), "{odd}");
    }
}

proptest! {
    /// Whatever the form, an address inside a refused network stays refused.
    #[test]
    fn no_form_hides_a_refused_address(network in prop::sample::select(&REFUSED_V4[..]), bits: u32, prefix: u64, zone: u32) {
        let four = u32::from(network.0.network()) | bits & u32::from(network.0.hostmask());
        prop_assert!(vet(IpAddr::V4(Ipv4Addr::from(four)), &[]).is_err());
        let tail = u128::from(four);
        let forms = [
            0xffff_u128 << 32 | tail,
            0xffff_u128 << 48 | tail,
            0x0064_ff9b_u128 << 96 | tail,
            0x0064_ff9b_0001_u128 << 80 | tail,
            0x2002_u128 << 112 | tail << 80 | u128::from(prefix),
            0x2001_0000_u128 << 96 | u128::from(zone) << 64 | u128::from(!four),
        ];
        for form in forms {
            prop_assert!(vet(IpAddr::V6(Ipv6Addr::from_bits(form)), &[]).is_err());
        }
    }

    /// A host that passes as a name is one the standard library doesn't take for an address either.
    #[test]
    fn a_name_is_never_an_address(text in "[0-9a-fxA-F.:\\[\\]]{1,24}") {
        if let Ok(Host::Name(name)) = parse_host(&text) {
            prop_assert!(name.parse::<IpAddr>().is_err());
            prop_assert!(!name.rsplit('.').next().unwrap().bytes().all(|b| b.is_ascii_digit()));
        }
    }
}
