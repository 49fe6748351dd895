//! Addresses of servers and peers.
//!
//! Both protocols record the server's address and the peer's. Texts are shared (`Arc<str>`): a server has few names
//! and a connection one peer, so a call costs a comparison and no allocation.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::Request;
use http::uri::Authority;
use opentelemetry::KeyValue;

use super::thread_cache;
use crate::semconv;
use crate::subscriber::CallAttributes;

/// The address of a server: `server.address` and `server.port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name, an address without brackets, or the path of a socket.
    pub(super) host: Arc<str>,
    /// `None` if the authority has none, and for sockets.
    pub(super) port: Option<u16>,
}

impl Address {
    /// Creates an address from `:authority`, or from the authority of a client's URI.
    pub(super) fn from_authority(authority: &Authority) -> Self {
        Self { host: without_brackets(authority.host()).into(), port: authority.port_u16() }
    }

    /// Sets `server.address` and `server.port` of a span.
    pub(super) fn set_attributes(&self, attributes: &mut CallAttributes) {
        attributes.push_shared(semconv::SERVER_ADDRESS, &self.host);
        if let Some(port) = self.port {
            attributes.push_number(semconv::SERVER_PORT, port);
        }
    }

    /// Adds `server.address` and `server.port` to the attributes of a metric.
    pub(super) fn push_attributes(&self, attributes: &mut Vec<KeyValue>) {
        attributes.push(KeyValue::new(semconv::SERVER_ADDRESS, Arc::clone(&self.host)));
        attributes.extend(self.port.map(|port| KeyValue::new(semconv::SERVER_PORT, i64::from(port))));
    }
}

/// An IPv6 address without the brackets that a URI needs.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Returns the address in a request's URI or else in its `Host` header.
///
/// HTTP/2 has the authority in the URI, HTTP/1 in the header. `None` if a request has neither, or one that is invalid or
/// too long for a host.
pub(super) fn address_of<B>(request: &Request<B>) -> Option<Address> {
    if let Some(authority) = request.uri().authority() {
        return address_of_authority(authority);
    }
    let host = request.headers().get(http::header::HOST)?.as_bytes();
    match last_address(host) {
        Some(address) => Some(address),
        None if host.len() > MAX_AUTHORITY => None,
        None => address_of_authority(&Authority::try_from(host).ok()?),
    }
}

/// Returns the address of an authority, parsed unless it is the last one of this thread: nearly all callers of a server
/// use the same name for it.
/// `None` for one that is too long for a host.
pub(super) fn address_of_authority(authority: &Authority) -> Option<Address> {
    if let Some(address) = last_address(authority.as_str().as_bytes()) {
        return Some(address);
    }
    if authority.as_str().len() > MAX_AUTHORITY {
        return None;
    }
    let address = Address::from_authority(authority);
    let last = (authority.clone(), address.clone());
    let _ = thread_cache::with(|cache| cache.address.replace(Some(last)));
    Some(address)
}

/// Returns the last address, if it is that of this authority.
fn last_address(authority: &[u8]) -> Option<Address> {
    let find = |last: &Option<(Authority, Address)>| {
        let (known, address) = last.as_ref()?;
        // Compared as bytes: `Authority` compares case-insensitively, which takes ten times as long.
        (known.as_str().as_bytes() == authority).then(|| address.clone())
    };
    thread_cache::with(|cache| find(&cache.address.borrow())).flatten()
}

/// Bytes of an authority that is used: a name of the DNS has 253 at most, credentials and a port come on top.
pub(super) const MAX_AUTHORITY: usize = 512;

/// Sets `network.peer.address` and `network.peer.port`.
///
/// The conventions define these as the address of the connection, even behind a proxy: headers such as `Forwarded`
/// are not read.
pub(super) fn set_peer(peer: SocketAddr, set: &mut dyn FnMut(KeyValue)) {
    set(KeyValue::new(semconv::NETWORK_PEER_ADDRESS, ip_text(peer.ip())));
    set(KeyValue::new(semconv::NETWORK_PEER_PORT, i64::from(peer.port())));
}

/// The text of an IP address. Consecutive calls often come from one peer: a proxy, or one connection.
pub(super) fn ip_text(address: IpAddr) -> Arc<str> {
    let text = || Arc::<str>::from(address.to_string());
    let cached = thread_cache::with(|cache| {
        let mut last = cache.peer.borrow_mut();
        match &*last {
            Some((known, text)) if *known == address => Arc::clone(text),
            _ => Arc::clone(&last.insert((address, text())).1),
        }
    });
    cached.unwrap_or_else(text)
}
