//! The egress guard: only public addresses are called, except what is allowed.
//!
//! It stands where an address is dialled: a name is judged by what it resolves to, each time a connection is made, and
//! an address that stands in the URL itself, which is never resolved, is judged before every hop. So neither a name that
//! comes to point inside, nor a redirect, nor another way of writing an address gets past it.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::{Allow, options::plain};

/// Why nothing was dialled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Not a public address, and not allowed.
    #[error("{0} is no public address, and delivery.egress.allow does not list it")]
    Refused(IpAddr),
    /// The name has no address.
    #[error("{0}")]
    Unresolved(io::Error),
}

/// What may be called.
#[derive(Debug, Default, Clone)]
pub(crate) struct Guard {
    nets: Vec<IpNet>,
    hosts: HashSet<String>,
}

impl Guard {
    pub(crate) fn new(allow: &[Allow]) -> Self {
        let mut guard = Self::default();
        for allow in allow {
            match allow {
                Allow::Net(net) => guard.nets.push(*net),
                Allow::Host(name) => drop(guard.hosts.insert(plain(name))),
            }
        }
        guard
    }

    /// Judges an address that stands in the URL itself. A name passes: it is judged when it is resolved.
    pub(crate) fn literal(&self, url: &Url) -> Result<(), DialError> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.address(address.into()),
            Some(Host::Ipv6(address)) => self.address(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    /// The addresses of a name that may be dialled. Fails only if none of them may.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, DialError> {
        // Port 0 stands for the port of the URL.
        let found: Vec<_> = tokio::net::lookup_host((name, 0)).await.map_err(DialError::Unresolved)?.collect();
        if self.hosts.contains(&plain(name)) {
            return Ok(found);
        }
        let mut refused = None;
        let allowed: Vec<_> = (found.into_iter())
            .filter(|address| match self.address(address.ip()) {
                Ok(()) => true,
                Err(error) => {
                    refused.get_or_insert(error);
                    false
                }
            })
            .collect();
        match (allowed.is_empty(), refused) {
            (false, _) => Ok(allowed),
            (true, Some(refused)) => Err(refused),
            (true, None) => Err(DialError::Unresolved(io::Error::other("the name has no address"))),
        }
    }

    fn address(&self, address: IpAddr) -> Result<(), DialError> {
        let canonical = address.to_canonical();
        let behind = match canonical {
            IpAddr::V6(address) => translated(address).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let listed = |address: &IpAddr| self.nets.iter().any(|net| net.contains(address));
        if listed(&canonical) || listed(&address) || behind.as_ref().is_some_and(listed) {
            return Ok(());
        }
        if is_public(behind.unwrap_or(canonical)) { Ok(()) } else { Err(DialError::Refused(address)) }
    }
}

/// The IPv4 address that is reached through a NAT64 gateway (RFC 6052). In a network without IPv4 every public IPv4
/// host looks like that, so it is the address behind that counts.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x0064, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else { return None };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// What IANA's registry keeps for something other than public hosts.
const KEPT_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),       // this network
    v4([10, 0, 0, 0], 8),      // private
    v4([100, 64, 0, 0], 10),   // carrier-grade NAT
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link local, and with it the metadata services of clouds
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 88, 99, 0], 24),  // 6to4 relays
    v4([192, 168, 0, 0], 16),  // private
    v4([198, 18, 0, 0], 15),   // benchmarking
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// Global unicast. Everything outside of it is refused: unique local, link local, multicast, loopback, IPv4-compatible,
/// local NAT64.
const UNICAST_V6: Ipv6Net = v6([0x2000, 0], 3);

/// What is kept for something else within it.
const KEPT_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0], 23),     // protocol assignments, and with them Teredo
    v6([0x2001, 0xdb8], 32), // documentation
    v6([0x2002, 0], 16),     // 6to4: an IPv4 address in disguise
    v6([0x3fff, 0], 20),     // documentation
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b]: [u16; 2], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !KEPT_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => UNICAST_V6.contains(&address) && !KEPT_V6.iter().any(|net| net.contains(&address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &[&str], url: &str, allowed: bool) {
        let allow: Vec<Allow> = allow.iter().map(|text| text.parse().expect("a valid exception")).collect();
        let url: Url = url.parse().expect("a valid URL");
        assert_eq!(Guard::new(&allow).literal(&url).is_ok(), allowed, "{url} with {allow:?}");
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "%31%32%37.0.0.1",
            "①②⑦.0.0.1",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::8.8.8.8]",
            "[2002:7f00:1::]",
            "[2002:808:808::1]",
            "[2001::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[100::1]",
            "[5f00::1]",
            "[4000::1]",
        ] {
            check(&[], &format!("http://{host}/"), false);
        }
    }

    #[test]
    fn public_addresses_pass() {
        for host in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::8.8.8.8]",
            "[2606:4700::1111]",
            "[2a00:1450::1]",
            "[2001:4860::8888]",
            "[2001:200::1]",
            "[3ffe::1]",
        ] {
            check(&[], &format!("http://{host}/"), true);
        }
    }

    #[test]
    fn what_is_listed_passes_in_every_form() {
        check(&["127.0.0.1"], "http://127.0.0.1:8080/", true);
        check(&["127.0.0.1"], "http://127.0.0.2/", false);
        check(&["127.0.0.0/8"], "http://[::ffff:127.0.0.1]/", true);
        check(&["10.0.0.0/8"], "http://[64:ff9b::10.1.2.3]/", true);
        check(&["10.0.0.0/8"], "http://[64:ff9b::192.168.0.1]/", false);
        check(&["::1"], "http://[::1]/", true);
        check(&["[::1]"], "http://[::1]/", true);
        check(&["::ffff:10.0.0.0/104"], "http://[::ffff:10.0.0.1]/", true);
        check(&["fd00::/8"], "http://[fd00::7]/", true);
        check(&["localhost"], "http://127.0.0.1/", false);
    }

    #[tokio::test]
    async fn a_name_is_judged_by_its_addresses_unless_the_name_is_listed() {
        let guard = |allow: &str| Guard::new(&[allow.parse().expect("a valid exception")]);
        assert!(matches!(Guard::default().resolve("localhost").await, Err(DialError::Refused(_))));
        assert!(guard("LOCALHOST.").resolve("localhost").await.is_ok());
        assert!(guard("localhost").resolve("LocalHost").await.is_ok());
        let resolved = guard("127.0.0.0/8").resolve("localhost").await.expect("localhost has 127.0.0.1");
        assert!(resolved.iter().all(SocketAddr::is_ipv4), "::1 is not listed: {resolved:?}");
        assert!(matches!(guard("localhost").resolve("nothing.invalid").await, Err(DialError::Unresolved(_))));
    }

    #[test]
    fn an_exception_is_an_address_a_range_or_a_name() {
        for (text, shown) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1"),
            ("fd00::/8", "fd00::/8"),
            ("Hooks.Internal.", "hooks.internal"),
        ] {
            assert_eq!(text.parse::<Allow>().map(|allow| allow.to_string()).as_deref(), Ok(shown));
        }
        for text in ["", "*", "*.internal", "10.1", "0x7f.1", "http://hooks", "a b", "10.0.0.0/33", "hooks:80"] {
            assert!(text.parse::<Allow>().is_err(), "{text:?}");
        }
    }
}
