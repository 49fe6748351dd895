//! Where requests go, and how: protocols and connections. Their outcomes are neutral.

mod connection;
mod transport;

pub(super) use connection::{Connections, endpoint};
pub(super) use transport::{ErrorKind, Failure, Outcome, Transport};
