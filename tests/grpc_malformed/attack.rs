//! What a client does to a server, and what must be left of it.

use opentelemetry_sdk::trace::SpanData;

use crate::grpc_support::*;
use crate::wire::*;
use crate::{Served, codes, soon};

/// What one client does to the server, while two calls of it are in progress: one whose handler hangs, and one whose
/// handler waits for a message.
pub struct Attack {
    name: &'static str,
    bytes: Vec<u8>,
    answer: Answer,
    /// How the handler that waits for a message, and gets an error instead, ends its call.
    waiting: &'static str,
    /// The attack's own calls that reach the layer, on stream 5.
    own: &'static [&'static str],
    /// Whether a call is to hang on stream 5 before the bytes are sent.
    holding: bool,
}

/// What the server's HTTP/2 does about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// The connection is closed.
    Closed,
    /// Stream 5 is reset.
    Reset,
    /// Stream 5 is answered.
    Answered,
    /// Nothing: the connection goes on.
    Nothing,
}

const HANGING: u32 = 1;
pub const WAITING: u32 = 3;
pub const OWN: u32 = 5;

impl Attack {
    fn new(name: &'static str, bytes: Vec<u8>, answer: Answer) -> Self {
        // The code of the protocol error, or that the client hung up.
        let waiting = if answer == Answer::Closed { "INTERNAL" } else { "UNKNOWN" };
        Self { name, bytes, answer, waiting, own: &[], holding: false }
    }

    pub fn closes(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(name, bytes, Answer::Closed)
    }

    pub fn resets(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(name, bytes, Answer::Reset)
    }

    pub fn nothing(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(name, bytes, Answer::Nothing)
    }

    pub fn answered(name: &'static str, bytes: Vec<u8>, own: &'static [&'static str]) -> Self {
        Self::new(name, bytes, Answer::Answered).own(own)
    }

    pub fn own(self, own: &'static [&'static str]) -> Self {
        Self { own, ..self }
    }

    pub fn waiting(self, waiting: &'static str) -> Self {
        Self { waiting, ..self }
    }

    /// The bytes meet a call whose handler neither reads nor answers.
    pub fn holding(self) -> Self {
        Self { own: &["CANCELLED"], holding: true, ..self }
    }

    /// Plays it, and checks what was recorded.
    pub async fn run(self) -> Vec<SpanData> {
        let served = Served::start().await;
        served.serves(self.name).await;
        let mut peer = self.in_progress(&served).await;
        peer.send(&self.bytes).await;
        soon(self.name, self.is_answered(&mut peer)).await;
        served.serves(self.name).await;
        drop(peer);
        served.serves(self.name).await;
        let spans = served.side.settled(self.name).await;
        let mut expected = [&["OK", "OK", "OK", "CANCELLED", self.waiting], self.own].concat();
        expected.sort_unstable();
        assert_eq!(codes(&spans), expected, "{}", self.name);
        spans
    }

    async fn in_progress(&self, served: &Served) -> Connection {
        let mut peer = Connection::connect(served.address).await;
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, []), &call(HANGING, UNARY, &ask(0, "hang"))];
        peer.send(&begin.concat()).await;
        peer.send(&open(WAITING, BIDI)).await;
        if self.holding {
            peer.send(&open(OWN, HOLD)).await;
        }
        // One of them is the honest client's.
        soon(self.name, served.service.has_begun(3 + u32::from(self.holding))).await;
        // Only now do the server's own settings count.
        peer.send(&frame(SETTINGS, ACK, 0, [])).await;
        peer
    }

    async fn is_answered(&self, peer: &mut Connection) {
        const ECHO: [u8; 8] = *b"all read";
        let came = match self.answer {
            Answer::Closed => !peer.read_until(|_| false).await,
            Answer::Reset => peer.read_until(|frame| frame.is(RST_STREAM, 0, OWN)).await,
            Answer::Answered => peer.read_until(|frame| frame.is(HEADERS, END_STREAM, OWN)).await,
            Answer::Nothing => {
                peer.send(&frame(PING, 0, 0, ECHO)).await;
                peer.read_until(|frame| frame.is(PING, ACK, 0) && *frame.payload == ECHO).await
            }
        };
        assert!(came, "{}: not {:?}", self.name, self.answer);
    }
}
