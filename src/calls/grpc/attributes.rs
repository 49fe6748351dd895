//! The attributes of a call's span.

use std::net::SocketAddr;
use std::sync::Arc;

use opentelemetry::KeyValue;

use super::instruments::split;
use super::method::Method;
use super::options::RequestHead;
use super::recorder::CallRecorder;
use crate::calls::address::{self, Address};
use crate::semconv;
use crate::semconv::GrpcCode;
use crate::settings::RpcConventions;

/// The attributes that the sampler sees.
pub(super) fn at_start(
    recorder: &CallRecorder,
    method: &Method,
    head: &RequestHead<'_>,
    address: Option<Address>,
) -> Vec<KeyValue> {
    let mut attributes = method_attributes(recorder.conventions, method);
    if let Some(address) = address {
        address.push_attributes(&mut attributes);
    }
    if let Some(hook) = &recorder.options.request_attributes {
        hook(head, &mut attributes);
    }
    attributes
}

/// The attributes that name a method.
pub(super) fn method_attributes(conventions: RpcConventions, method: &Method) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(ATTRIBUTES);
    if conventions != RpcConventions::Old {
        attributes.push(KeyValue::new(semconv::RPC_SYSTEM_NAME, semconv::GRPC));
        attributes.push(KeyValue::new(semconv::RPC_METHOD, Arc::clone(&method.name)));
    }
    if conventions != RpcConventions::Stable {
        let (service, short) = split(&method.name);
        attributes.push(KeyValue::new(semconv::OLD_RPC_SYSTEM, semconv::GRPC));
        attributes.push(KeyValue::new(semconv::OLD_RPC_SERVICE, service.to_owned()));
        // Both conventions use this key. With both, it keeps its current meaning.
        if conventions == RpcConventions::Old {
            attributes.push(KeyValue::new(semconv::RPC_METHOD, short.to_owned()));
        }
    }
    attributes
}

/// Sets the address of the peer.
pub(super) fn set_peer(conventions: RpcConventions, peer: SocketAddr, set: &mut dyn FnMut(KeyValue)) {
    if conventions != RpcConventions::Old {
        address::set_peer(peer, set);
    }
    if conventions != RpcConventions::Stable {
        set(KeyValue::new(semconv::OLD_NET_PEER_IP, address::ip_text(peer.ip())));
        set(KeyValue::new(semconv::OLD_NET_PEER_PORT, i64::from(peer.port())));
    }
}

/// Sets the status code.
pub(super) fn status(conventions: RpcConventions, code: GrpcCode, set: impl Fn(KeyValue)) {
    if conventions != RpcConventions::Old {
        set(KeyValue::new(semconv::RPC_STATUS_CODE, code.name()));
    }
    if conventions != RpcConventions::Stable {
        set(KeyValue::new(semconv::OLD_RPC_GRPC_STATUS_CODE, code as i64));
    }
}

/// The capacity that a span without captured headers needs from start to end.
const ATTRIBUTES: usize = 8;
