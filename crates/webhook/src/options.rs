//! What an operator says about deliveries as a whole.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How calls are made, for the whole daemon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeliveryOptions {
    /// Addresses and hosts that may be called although they are not public.
    pub egress: Vec<Allow>,
    /// From looking up the name to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// Bytes of an answer that are read before its connection is dropped.
    pub max_answer: usize,
    /// The `User-Agent` of every call, unless a target has one of its own.
    pub user_agent: String,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            egress: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            max_answer: 1024 * 1024,
            user_agent: concat!("postrider/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why no calls can be made at all.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The user agent cannot stand in a header.
    #[error("the user agent {0:?} cannot be sent as a header")]
    UserAgent(String),
    /// A certificate authority that is no certificate.
    #[error("failed to read a certificate authority")]
    Authority(#[source] rustls::Error),
    /// The TLS library refused its configuration.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
}

/// An exception from the rule that only public addresses are called.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Allow {
    /// Addresses: `10.0.0.0/8`, `fd00::/8`, `127.0.0.1`.
    Net(IpNet),
    /// A host name, whatever it resolves to: `hooks.internal`. Subdomains are names of their own.
    Host(String),
}

/// The text is no exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an address, nor a range of addresses such as 10.0.0.0/8, nor a host name")]
pub struct AllowError {
    text: String,
}

impl FromStr for Allow {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net.trunc()));
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let refused = || AllowError { text: text.to_owned() };
        match url::Host::parse(text).map_err(|_| refused())? {
            url::Host::Domain(name) if !name.starts_with('*') && !name.is_empty() => Ok(Self::Host(plain(&name))),
            // An address in a form that is easily taken for another one (`10.1`, `0x7f.1`).
            _ => Err(refused()),
        }
    }
}

/// A host name as it is compared: lower case, without the dot of the root.
pub(crate) fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Host(name) => f.write_str(name),
        }
    }
}

impl Serialize for Allow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
