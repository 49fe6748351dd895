//! The attributes of a call's span.

use std::net::SocketAddr;

use opentelemetry::KeyValue;

use super::instruments::split;
use super::method::Method;
use super::options::RequestHead;
use super::recorder::CallRecorder;
use crate::calls::address::{self, Address};
use crate::semconv;
use crate::semconv::GrpcCode;
use crate::settings::RpcConventions;
use crate::subscriber::CallAttributes;

/// Sets the attributes that the sampler sees.
pub(super) fn at_start(
    attributes: &mut CallAttributes,
    recorder: &CallRecorder,
    method: &Method,
    head: &RequestHead<'_>,
    address: Option<&Address>,
) {
    method_attributes(attributes, recorder.conventions, method);
    if let Some(address) = address {
        address.set_attributes(attributes);
    }
    recorder.request_headers.attributes(head.headers()).for_each(|attribute| attributes.set(attribute));
    if let Some(hook) = &recorder.options.request_attributes {
        attributes.change(|attributes| hook(head, attributes));
    }
}

/// Sets the attributes that name a method.
pub(super) fn method_attributes(
    attributes: &mut CallAttributes,
    conventions: RpcConventions,
    method: &Method,
) {
    if conventions != RpcConventions::Old {
        attributes.push_static(semconv::RPC_SYSTEM_NAME, semconv::GRPC);
        attributes.push_shared(semconv::RPC_METHOD, &method.name);
    }
    if conventions != RpcConventions::Stable {
        let (service, short) = split(&method.name);
        attributes.push_static(semconv::OLD_RPC_SYSTEM, semconv::GRPC);
        attributes.push_text(semconv::OLD_RPC_SERVICE, service);
        // Both conventions use this key. With both, it keeps its current meaning.
        if conventions == RpcConventions::Old {
            attributes.push_text(semconv::RPC_METHOD, short);
        }
    }
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
