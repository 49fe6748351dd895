//! HTTP/2 by hand: frames and header blocks as a peer writes them who keeps to no rule.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::codegen::Bytes;

use crate::grpc_support::Ask;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

/// Names and values of a header block, in their order.
pub type Fields<'a> = &'a [(&'a str, &'a [u8])];

/// One frame. Its length is that of its payload.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub fn data(stream: u32, flags: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

/// A complete header block in one frame.
pub fn headers(stream: u32, flags: u8, fields: Fields<'_>) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, block(fields))
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, code.to_be_bytes())
}

pub fn go_away(last_stream: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, [last_stream.to_be_bytes(), code.to_be_bytes()].concat())
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

pub fn setting(name: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// HPACK with neither table nor Huffman: each field a literal that is not to be remembered.
pub fn block(fields: Fields<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        string(&mut bytes, name.as_bytes());
        string(&mut bytes, value);
    }
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    const PREFIX: usize = 127;
    if text.len() < PREFIX {
        bytes.push(text.len() as u8);
    } else {
        bytes.push(PREFIX as u8);
        let mut rest = text.len() - PREFIX;
        while rest >= 128 {
            bytes.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        bytes.push(rest as u8);
    }
    bytes.extend(text);
}

/// A call's header fields, followed by others.
pub fn request<'a>(path: &'a str, more: Fields<'a>) -> Vec<(&'a str, &'a [u8])> {
    let usual: [(&str, &[u8]); 6] = [
        (":method", b"POST"),
        (":scheme", b"http"),
        (":authority", b"honest.example"),
        (":path", path.as_bytes()),
        ("content-type", b"application/grpc"),
        ("te", b"trailers"),
    ];
    [&usual, more].concat()
}

/// A call that is begun.
pub fn open(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, 0, &request(path, &[]))
}

/// A call with one message, and nothing more to send.
pub fn call(stream: u32, path: &str, ask: &Ask) -> Vec<u8> {
    [open(stream, path), data(stream, END_STREAM, message(ask))].concat()
}

/// A message in gRPC's framing.
pub fn message(ask: &Ask) -> Vec<u8> {
    let bytes = prost::Message::encode_to_vec(ask);
    prefixed(0, bytes.len() as u32, &bytes)
}

/// What claims to be a message.
pub fn prefixed(flag: u8, length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[flag], &length.to_be_bytes()[..], bytes].concat()
}

/// A frame that came.
#[derive(Debug)]
pub struct CollectedTelemetry {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Bytes,
}

impl CollectedTelemetry {
    pub fn is(&self, kind: u8, flags: u8, stream: u32) -> bool {
        self.kind == kind && self.flags & flags == flags && self.stream == stream
    }
}

/// One end of a connection, with nothing between the test and the bytes.
pub struct Connection(TcpStream);

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    /// Sends what a peer that hung up may never read.
    pub async fn send(&mut self, bytes: &[u8]) {
        drop(self.0.write_all(bytes).await);
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        drop(self.0.shutdown().await);
    }

    /// The preface of a client.
    pub async fn preface(&mut self) -> Option<()> {
        let mut preface = [0; PREFACE.len()];
        self.0.read_exact(&mut preface).await.ok().map(drop)
    }

    /// The next frame, or nothing when the peer has hung up.
    pub async fn read(&mut self) -> Option<CollectedTelemetry> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(CollectedTelemetry { kind, flags, stream: u32::from_be_bytes(stream), payload: payload.into() })
    }

    /// Reads to the first frame like this. False if the peer hung up before it.
    pub async fn read_until(&mut self, wanted: impl Fn(&CollectedTelemetry) -> bool) -> bool {
        while let Some(frame) = self.read().await {
            if wanted(&frame) {
                return true;
            }
        }
        false
    }
}
