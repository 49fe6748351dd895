//! Compression of requests, before they are sent.
//!
//! | setting | library | level | needs the feature |
//! |---|---|---|---|
//! | `none` | – | – | – |
//! | `gzip` | flate2 | its default, 6 | `gzip` |
//! | `zstd` | zstd | its default, 3 | `zstd` |
//!
//! A message is compressed once for each try, on the I/O thread, and never on the threads of the program. One that
//! cannot be compressed is sent as it is, without the header that names an encoding.

use bytes::Bytes;

use crate::settings::Compression;

/// A message as it is sent, and the name of its encoding.
#[derive(Clone)]
pub(super) struct Encoded {
    /// The body of the request.
    pub(super) bytes: Bytes,
    /// For `Content-Encoding` or `grpc-encoding`; `None` if it is not compressed.
    pub(super) encoding: Option<&'static str>,
}

/// Compresses a message. One that cannot be compressed stays as it is.
pub(super) fn compressed(message: Bytes, compression: Compression) -> Encoded {
    let compressed = match compression {
        Compression::None => None,
        Compression::Gzip => gzip(&message).map(|bytes| (bytes, "gzip")),
        Compression::Zstd => zstd(&message).map(|bytes| (bytes, "zstd")),
    };
    match compressed {
        Some((bytes, encoding)) => Encoded { bytes: bytes.into(), encoding: Some(encoding) },
        None => Encoded { bytes: message, encoding: None },
    }
}

/// Compresses at the default level. Writing to memory does not fail. `None` without the feature.
#[cfg(feature = "gzip")]
pub(in crate::export) fn gzip(message: &[u8]) -> Option<Vec<u8>> {
    use std::io::Write as _;

    let buffer = Vec::with_capacity(message.len() / 4);
    let mut encoder = flate2::write::GzEncoder::new(buffer, flate2::Compression::default());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

/// Compresses at the default level, in one call. `None` if the library fails.
#[cfg(feature = "zstd")]
fn zstd(message: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::compress(message, zstd::DEFAULT_COMPRESSION_LEVEL).ok()
}

// Without the feature, the compression was refused when the settings were read.

/// Returns `None`: the message is sent as it is.
#[cfg(not(feature = "gzip"))]
pub(in crate::export) fn gzip(_message: &[u8]) -> Option<Vec<u8>> {
    None
}

/// Returns `None`: the message is sent as it is.
#[cfg(not(feature = "zstd"))]
fn zstd(_message: &[u8]) -> Option<Vec<u8>> {
    None
}
