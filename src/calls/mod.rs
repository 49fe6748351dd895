//! Tower layers that trace and measure calls.

#[cfg(feature = "grpc")]
pub mod grpc;
