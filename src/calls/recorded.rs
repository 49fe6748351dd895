//! Marks in the extensions of a request that a layer records, so that layers inside of it do not record it again.
//!
//! | mark | set by |
//! |---|---|
//! | [`RecordedByServer`] | a server's layer, with the protocol that it saw |
//! | `http::RouteSlot` in its place | `http::ServerLayer`, while the route is not known |
//! | [`RecordedByClient`] | a client's layer, of either protocol |
//!
//! There is one for each side, because a proxy passes a server's request to a client. A layer removes the mark of the other
//! side: if client and server are in one process, the next layer of that side belongs to another call.

use http::Extensions;

#[cfg(feature = "http")]
use super::http::RouteSlot;

/// A server's layer records the request.
#[derive(Clone, Copy, Debug)]
struct RecordedByServer {
    /// As a call of gRPC, and not as a request of HTTP.
    as_grpc: bool,
}

/// A client's layer records the request.
#[derive(Clone, Copy, Debug)]
struct RecordedByClient;

/// Returns `true` if a server's layer around this one records the request.
pub(super) fn is_recorded_by_server(extensions: &Extensions) -> bool {
    #[cfg(feature = "http")]
    if extensions.get::<RouteSlot>().is_some() {
        return true;
    }
    extensions.get::<RecordedByServer>().is_some()
}

/// Returns `true` if a server's layer around this one records the request as a call of gRPC.
///
/// One that is recorded as HTTP and is gRPC further inside was translated in between, from gRPC-Web: the outer layer cannot
/// see the status of the call.
#[cfg(feature = "grpc")]
pub(super) fn is_recorded_as_grpc(extensions: &Extensions) -> bool {
    extensions.get::<RecordedByServer>().is_some_and(|recorded| recorded.as_grpc)
}

/// Marks a request that a server's layer records, as a call of gRPC or as a request of HTTP.
pub(super) fn mark_recorded_by_server(extensions: &mut Extensions, as_grpc: bool) {
    extensions.remove::<RecordedByClient>();
    extensions.insert(RecordedByServer { as_grpc });
}

/// Marks a request that a server's layer records, and lets layers inside of it report the route.
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
    extensions.remove::<RecordedByServer>();
    #[cfg(feature = "http")]
    extensions.remove::<RouteSlot>();
    extensions.insert(RecordedByClient);
}

/// Removes the mark of a client's request: another attempt with the same extensions is recorded as well.
#[cfg(feature = "reqwest")]
pub(super) fn unmark_recorded_by_client(extensions: &mut Extensions) {
    extensions.remove::<RecordedByClient>();
}
