//! The attributes of a call's span.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use opentelemetry::KeyValue;

use super::instruments::split;
use super::method::Method;
use super::options::RequestHead;
use super::recorder::Recorder;
use super::target::Address;
use crate::semconv;
use crate::settings::RpcConventions;

/// What the sampler sees.
pub(super) fn at_start(
    recorder: &Recorder,
    method: &Method,
    head: &RequestHead<'_>,
    address: Option<Address>,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    if recorder.conventions != RpcConventions::Old {
        attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, semconv::GRPC));
        attributes.push(KeyValue::new(semconv::RPC_METHOD, Arc::clone(&method.name)));
    }
    if recorder.conventions != RpcConventions::Stable {
        let (service, short) = split(&method.name);
        attributes.push(KeyValue::new(semconv::OLD_RPC_SYSTEM, semconv::GRPC));
        attributes.push(KeyValue::new(semconv::OLD_RPC_SERVICE, service.to_owned()));
        // The key is the same in both conventions: with both, the current meaning stays.
        if recorder.conventions == RpcConventions::Old {
            attributes.push(KeyValue::new(semconv::RPC_METHOD, short.to_owned()));
        }
    }
    if let Some(address) = address {
        attributes.push(KeyValue::new(semconv::SERVER_ADDRESS, address.host));
        attributes.extend(address.port.map(|port| KeyValue::new(semconv::SERVER_PORT, i64::from(port))));
    }
    if let Some(hook) = &recorder.options.request_attributes {
        hook(head, &mut attributes);
    }
    attributes
}

/// The peer, once it is known.
pub(super) fn of_peer(conventions: RpcConventions, peer: SocketAddr, set: &mut dyn FnMut(KeyValue)) {
    let address = address_text(peer.ip());
    if conventions != RpcConventions::Old {
        set(KeyValue::new(semconv::NETWORK_PEER_ADDRESS, Arc::clone(&address)));
        set(KeyValue::new(semconv::NETWORK_PEER_PORT, i64::from(peer.port())));
    }
    if conventions != RpcConventions::Stable {
        set(KeyValue::new(semconv::OLD_NET_PEER_IP, address));
        set(KeyValue::new(semconv::OLD_NET_PEER_PORT, i64::from(peer.port())));
    }
}

/// The text of an address. Calls in a row often come from one peer: a proxy, or one connection.
fn address_text(address: IpAddr) -> Arc<str> {
    thread_local! {
        static LAST: RefCell<Option<(IpAddr, Arc<str>)>> = const { RefCell::new(None) };
    }
    let text = || Arc::<str>::from(address.to_string());
    let cached = LAST.try_with(|last| {
        let mut last = last.borrow_mut();
        match &*last {
            Some((of, text)) if *of == address => Arc::clone(text),
            _ => Arc::clone(&last.insert((address, text())).1),
        }
    });
    // A thread that ends has lost its cache.
    cached.unwrap_or_else(|_| text())
}

pub(super) fn count(key: &'static str, number: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(number).unwrap_or(i64::MAX))
}

/// The room for attributes that a span without captured headers needs from start to end.
const ATTRIBUTES: usize = 8;
