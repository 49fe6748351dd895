//! How a server answers a client, and what must be made of it.

use std::sync::atomic::Ordering;

use telemetry_bootstrap::grpc::ClientService;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::grpc_support::*;
use crate::wire::*;
use crate::{Side, channel, codes, soon};

/// How one server answers a call, and what is made of it.
pub struct Reply {
    name: String,
    /// Sent when the request is there.
    first: Vec<u8>,
    /// Sent when the caller has read a message.
    then: Vec<u8>,
    end: End,
    recorded: &'static str,
    seen: &'static str,
}

/// What the server does in the end.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    /// Waits for the client to hang up.
    Stays,
    HangsUp,
}

/// The stream of a connection's first call.
pub const STREAM: u32 = 1;

impl Reply {
    /// Recorded with the code that the caller sees.
    pub fn new(name: impl Into<String>, recorded: &'static str, first: Vec<u8>) -> Self {
        Self { name: name.into(), first, then: Vec::new(), end: End::Stays, recorded, seen: recorded }
    }

    pub fn then(self, then: Vec<u8>) -> Self {
        Self { then, ..self }
    }

    pub fn hangs_up(self) -> Self {
        Self { end: End::HangsUp, ..self }
    }

    pub fn seen_as(self, seen: &'static str) -> Self {
        Self { seen, ..self }
    }

    /// Plays it, and checks what the caller saw and what was recorded.
    pub async fn run(self) {
        let side = Side::new("client");
        let (name, recorded, seen) = (self.name.clone(), self.recorded, self.seen);
        let (mut client, read) = self.start(&side).await;
        let code = soon(&name, outcome(&side, &mut client, Request::new(ask(1, "ok")), read)).await;
        let spans = side.settled(&name).await;
        assert_eq!((code_name(code).as_str(), codes(&spans)), (seen, vec![recorded.to_owned()]), "{name}");
    }

    /// A client of a server that plays it, and the signal to the server that a message was read.
    pub async fn start(self, side: &Side) -> (TestClient<ClientService<Channel>>, oneshot::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = channel(side, listener.local_addr().unwrap());
        let (read, was_read) = oneshot::channel();
        tokio::spawn(self.play(listener, was_read));
        (client, read)
    }

    async fn play(self, listener: TcpListener, was_read: oneshot::Receiver<()>) {
        let mut peer = Connection::new(listener.accept().await.unwrap().0);
        peer.preface().await.unwrap();
        peer.send(&frame(SETTINGS, 0, 0, [])).await;
        assert!(peer.read_until(|frame| frame.is(DATA, END_STREAM, STREAM)).await);
        peer.send(&self.first).await;
        if !self.then.is_empty() {
            was_read.await.unwrap();
            peer.send(&self.then).await;
        }
        if self.end == End::HangsUp {
            peer.finish().await;
        }
        while peer.read().await.is_some() {}
    }
}

/// Calls, and returns the code that the caller sees in the end.
pub async fn outcome(
    side: &Side,
    client: &mut TestClient<ClientService<Channel>>,
    request: Request<Ask>,
    read: oneshot::Sender<()>,
) -> Code {
    side.calls.fetch_add(1, Ordering::SeqCst);
    let mut read = Some(read);
    let mut stream = match client.server_stream_with(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => return status.code(),
    };
    loop {
        match stream.message().await {
            Ok(Some(_)) => drop(read.take().map(|read| read.send(()))),
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}

/// A code by the name that telemetry gives it.
pub fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() && code != Code::Ok {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

pub fn head() -> Vec<u8> {
    headers(STREAM, 0, &[(":status", b"200"), ("content-type", b"application/grpc")])
}

pub fn one() -> Vec<u8> {
    data(STREAM, 0, prefixed(0, 2, &[10, 0]))
}

pub fn trailers(fields: Fields<'_>) -> Vec<u8> {
    headers(STREAM, END_STREAM, fields)
}

/// Head, a message, and these trailers.
pub fn answered(fields: Fields<'_>) -> Vec<u8> {
    [head(), one(), trailers(fields)].concat()
}

pub fn begun() -> Vec<u8> {
    [head(), one()].concat()
}

pub const OK: Fields<'_> = &[("grpc-status", b"0")];
