//! State of the peer of a connection, for explanations of errors.
//!
//! The first bytes of each peer are noted: they tell a receiver of the other protocol, or one that speaks TLS, from one that
//! is down, where the error of the library would be the same.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::outcome::Failure;

/// The protocol of a connection's peer, by its first bytes.
///
/// It is stored as a number in [`PeerState`]; variants are numbered in the order in which they stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstBytes {
    /// Nothing was received yet.
    None,
    /// A response of HTTP/1.
    Http1,
    /// The first frame of HTTP/2.
    Http2,
    /// A TLS alert or handshake.
    Tls,
    /// Something else, which is not an OTLP receiver.
    Other,
}

impl FirstBytes {
    /// Classifies the first bytes, of which nine are enough.
    fn from_bytes(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::None,
            [b'H', b'T', b'T', b'P', b'/', ..] => Self::Http1,
            // A frame of type SETTINGS, without flags, on stream 0.
            [_, _, _, 4, 0, 0, 0, 0, 0, ..] => Self::Http2,
            [0x15 | 0x16, 3, ..] => Self::Tls,
            _ => Self::Other,
        }
    }

    /// Returns the variant that was stored as a number.
    fn from_number(number: u8) -> Self {
        [Self::None, Self::Http1, Self::Http2, Self::Tls, Self::Other]
            .into_iter()
            .find(|kind| *kind as u8 == number)
            .unwrap_or(Self::Other)
    }
}

/// State of the peer of the newest connection, shared by clones.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer(Arc<PeerState>);

/// Written by connections, read when a request has failed.
#[derive(Debug, Default)]
struct PeerState {
    /// A [`FirstBytes`] as a number.
    first_bytes: AtomicU8,
    /// The attempt to connect has reached the receiver: TLS follows, if required.
    is_reached: AtomicBool,
    /// The reason why the last attempt to connect failed.
    connect_failure: Mutex<Option<Failure>>,
}

impl Peer {
    /// Returns what the peer of the newest connection has sent first.
    pub(super) fn first_bytes(&self) -> FirstBytes {
        FirstBytes::from_number(self.0.first_bytes.load(Ordering::Relaxed))
    }

    /// Records the first bytes of a connection.
    fn set_first_bytes(&self, first: FirstBytes) {
        self.0.first_bytes.store(first as u8, Ordering::Relaxed);
    }

    /// Returns `true` if the attempt to connect that is under way has reached the receiver.
    pub(super) fn is_reached(&self) -> bool {
        self.0.is_reached.load(Ordering::Relaxed)
    }

    /// Records how far the attempt to connect has come.
    pub(super) fn set_reached(&self, is_reached: bool) {
        self.0.is_reached.store(is_reached, Ordering::Relaxed);
    }

    /// Returns why there is no connection. `None` if the last attempt succeeded, or before the first one.
    pub(super) fn connect_failure(&self) -> Option<Failure> {
        self.lock_failure().clone()
    }

    /// Records the last attempt to connect: why it failed, or that it did not.
    pub(super) fn set_connect_failure(&self, failure: Option<Failure>) {
        *self.lock_failure() = failure;
    }

    /// Locks the failure. A poisoned lock is used as it is.
    fn lock_failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.0.connect_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that notes the first bytes of the peer.
///
/// With TLS it is applied twice, below and above: the encrypted bytes show whether the peer speaks TLS, the decrypted
/// ones which HTTP.
pub(super) struct Watched<S> {
    /// The connection, unchanged.
    inner: S,
    /// Gets the first bytes; `None` once they have come.
    peer: Option<Peer>,
    /// Write error that is reported once the remaining input was read or the wait timed out.
    failed: Option<(io::Error, Pin<Box<Sleep>>)>,
}

impl<S> Watched<S> {
    /// Watches a connection from its beginning.
    pub(super) fn new(inner: S, peer: Peer) -> Self {
        Self { inner, peer: Some(peer), failed: None }
    }

    /// Notes the first bytes, of which there may be none yet.
    fn note(&mut self, bytes: &[u8]) {
        if let Some(peer) = self.peer.take_if(|_| !bytes.is_empty()) {
            peer.set_first_bytes(FirstBytes::from_bytes(bytes));
        }
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Writes, and if the peer has closed the connection, notes what it had sent, which is not read any more then. A
    /// server of HTTP/1, for example, answers the first bytes of HTTP/2 and closes the connection, while the rest of
    /// them is being written.
    ///
    /// A peer that has closed one direction alone may send nothing at all, so the wait has a limit.
    fn write_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (error, mut limit) = match self.failed.take() {
            Some(failed) => failed,
            None => match write(Pin::new(&mut self.inner), cx) {
                Poll::Ready(Err(error)) if self.peer.is_some() && is_closed(&error) => {
                    (error, Box::pin(sleep(READ_WAIT)))
                }
                written => return written,
            },
        };
        let mut bytes = [0; ENOUGH];
        let mut buffer = ReadBuf::new(&mut bytes);
        // A closed connection is ready soon: the runtime may not know it yet.
        let is_pending = Pin::new(&mut self.inner).poll_read(cx, &mut buffer).is_pending();
        if is_pending && limit.as_mut().poll(cx).is_pending() {
            self.failed = Some((error, limit));
            return Poll::Pending;
        }
        self.note(buffer.filled());
        Poll::Ready(Err(error))
    }
}

/// Returns `true` if a write has failed because the peer has closed the connection.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        this.note(&buffer.filled()[start..]);
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write_with(cx, |inner, cx| inner.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write_with(cx, |inner, cx| inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write_with(cx, |inner, cx| inner.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Bytes that tell one protocol from another.
const ENOUGH: usize = 9;
/// The longest wait for what the peer had sent before a write failed.
const READ_WAIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A peer that has sent something, and takes nothing any more. What it has sent is ready at the second look.
    struct Closed {
        sent: &'static [u8],
        is_ready: bool,
    }

    impl Closed {
        fn after(sent: &'static [u8]) -> Self {
            Self { sent, is_ready: false }
        }
    }

    impl AsyncRead for Closed {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if !std::mem::replace(&mut self.is_ready, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Pin::new(&mut self.sent).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Closed {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn response_received_before_a_write_failure_is_used() {
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        for (sent, expected) in [(&answer[..], FirstBytes::Http1), (&[], FirstBytes::None)] {
            let peers = [(); 3].map(|()| Peer::default());
            let connection = |peer: &Peer| Watched::new(Closed::after(sent), peer.clone());
            connection(&peers[0]).write(b"PRI").await.unwrap_err();
            connection(&peers[1]).write_vectored(&[io::IoSlice::new(b"PRI")]).await.unwrap_err();
            connection(&peers[2]).flush().await.unwrap_err();
            assert_eq!(peers.map(|peer| peer.first_bytes()), [expected; 3]);
        }
    }

    /// A peer that takes nothing any more, and neither sends nor closes.
    struct Silent;

    impl AsyncRead for Silent {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Silent {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn failed_write_does_not_wait_for_a_peer_that_sends_nothing() {
        let mut connection = Watched::new(Silent, Peer::default());
        let written = tokio::time::timeout(Duration::from_secs(10), connection.write(b"PRI")).await;
        assert_eq!(written.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn the_first_bytes_are_noted_and_passed_on() {
        let peer = Peer::default();
        let mut connection = Watched::new(Closed::after(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 1, 2, 3]), peer.clone());
        let mut bytes = [0; 9];
        connection.read_exact(&mut bytes).await.unwrap();
        assert_eq!((peer.first_bytes(), bytes[3]), (FirstBytes::Http2, 4));
        let mut rest = Vec::new();
        connection.read_to_end(&mut rest).await.unwrap();
        assert_eq!((peer.first_bytes(), &rest[..]), (FirstBytes::Http2, &[1, 2, 3][..]));
    }
}
