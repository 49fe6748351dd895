//! Marks in the extensions of a request that a layer records, so layers inside of it do not record it again.
//!
//! | mark | set by |
//! |---|---|
//! | [`RecordedAsGrpc`] | a server's layer of either protocol, for a call of gRPC |
//! | [`RecordedAsHttp`] | `http::ServerLayer`, for any other request |
//! | `http::RouteSlot` in its place | the same, while the route is not known |
//! | [`RecordedByClient`] | a client's layer, of either protocol |
//!
//! There is one for each side, because a proxy passes a server's request to a client. A layer removes the mark of the other
//! side: if client and server are in one process, the next layer of that side belongs to another call.

use http::Extensions;

#[cfg(feature = "http")]
use super::http::RouteSlot;

/// A server's layer records a call of gRPC.
#[cfg(feature = "grpc")]
#[derive(Clone, Copy, Debug)]
struct RecordedAsGrpc;

/// A server's layer records a request of HTTP.
#[cfg(feature = "http")]
#[derive(Clone, Copy, Debug)]
struct RecordedAsHttp;

/// A client's layer records the request.
#[derive(Clone, Copy, Debug)]
struct RecordedByClient;

/// Returns `true` if a server's layer around this one records the request.
pub(super) fn is_recorded_by_server(extensions: &Extensions) -> bool {
    #[cfg(feature = "http")]
    if extensions.get::<RouteSlot>().is_some() || extensions.get::<RecordedAsHttp>().is_some() {
        return true;
    }
    #[cfg(feature = "grpc")]
    if is_recorded_as_grpc(extensions) {
        return true;
    }
    false
}

/// Returns `true` if a server's layer around this one records the request as a call of gRPC.
///
/// One that is recorded as HTTP and is gRPC further inside was translated in between, from gRPC-Web: the outer layer cannot
/// see the status of the call.
#[cfg(feature = "grpc")]
pub(super) fn is_recorded_as_grpc(extensions: &Extensions) -> bool {
    extensions.get::<RecordedAsGrpc>().is_some()
}

/// Marks a call of gRPC that a server's layer records.
#[cfg(feature = "grpc")]
pub(super) fn mark_recorded_as_grpc(extensions: &mut Extensions) {
    extensions.remove::<RecordedByClient>();
    extensions.insert(RecordedAsGrpc);
}

/// Marks a request that a server's layer records.
#[cfg(feature = "http")]
pub(super) fn mark_recorded_as_http(extensions: &mut Extensions) {
    extensions.remove::<RecordedByClient>();
    extensions.insert(RecordedAsHttp);
}

/// The same while the route is not known: lets layers inside of it report the route.
#[cfg(feature = "http")]
pub(super) fn mark_recorded_without_route(extensions: &mut Extensions, slot: RouteSlot) {
    extensions.remove::<RecordedByClient>();
    extensions.insert(slot);
}

/// Returns `true` if a client's layer around this one records the request.
pub(super) fn is_recorded_by_client(extensions: &Extensions) -> bool {
    extensions.get::<RecordedByClient>().is_some()
}

/// Marks a request that a client's layer records.
pub(super) fn mark_recorded_by_client(extensions: &mut Extensions) {
    #[cfg(feature = "grpc")]
    extensions.remove::<RecordedAsGrpc>();
    #[cfg(feature = "http")]
    {
        extensions.remove::<RecordedAsHttp>();
        extensions.remove::<RouteSlot>();
    }
    extensions.insert(RecordedByClient);
}

/// Removes the mark of a client's request: another attempt with the same extensions is recorded as well.
#[cfg(feature = "reqwest")]
pub(super) fn unmark_recorded_by_client(extensions: &mut Extensions) {
    extensions.remove::<RecordedByClient>();
}
