//! The messages of a call: gRPC's length-prefixed framing, parsed across the boundaries of HTTP frames, and the totals
//! of both directions.
//!
//! ```text
//! DATA │ 0 │ 0 0 0 7 │ 7 bytes … │ 0 │ 0 0 0 │      frames of HTTP/2 end anywhere
//! DATA │ 3 │ 3 bytes │
//!        └ compressed?  └ length, big endian
//! ```
//!
//! Sizes are those on the wire: compressed if the message is, without the five bytes of its prefix. Message contents
//! are neither decoded nor buffered, so the cost does not depend on the size.
//!
//! | who counts | on which thread | with |
//! |---|---|---|
//! | request body, at a client and a server | where the transport or the handler polls it | [`RequestMessages`], which it owns |
//! | response body | where the body is polled | [`CallMessages`], which the call owns |
//! | end of the call | where the response body ends or is dropped | the totals of both |
//!
//! A request body may be read on another task, and even after the call has ended. Its counter is therefore shared, and
//! a message that comes later is in the metrics but not on the span.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Buf;
use opentelemetry::KeyValue;

use super::instruments::Instruments;
use super::method::Method;
use super::options::MetricOptions;
use super::recorder::CallRecorder;
use crate::semconv;

/// The messages of one call, in both directions.
#[derive(Default)]
pub(super) struct CallMessages {
    /// Shared with the request body.
    requests: Arc<MessageCounter>,
    /// Counted by the owner of the call, so nothing is shared.
    responses: MessageCounter,
    /// The position of the response within its current message.
    response_framer: MessageFramer,
}

impl CallMessages {
    /// Counts the messages that a data frame of the response completes.
    pub(super) fn on_response_data(&mut self, data: &impl Buf, instruments: &Instruments, method: &Method) {
        let responses = &self.responses;
        self.response_framer.push(data, |size| {
            responses.add(size);
            method.instruments.record_response_size(instruments, &method.name, size);
        });
    }

    /// Returns a counter for the request body, which the transport may read on another task.
    pub(super) fn follow_request(&self, recorder: Arc<CallRecorder>, method: Arc<Method>) -> RequestMessages {
        RequestMessages {
            recorder,
            method,
            framer: MessageFramer::default(),
            requests: Arc::clone(&self.requests),
        }
    }

    /// Returns the messages from the client so far.
    pub(super) fn requests(&self) -> MessageTotals {
        self.requests.totals()
    }

    /// Returns the messages from the server so far.
    pub(super) fn responses(&self) -> MessageTotals {
        self.responses.totals()
    }

    /// The attributes that the call's span gets at its end.
    pub(super) fn attributes(&self, enabled: MetricOptions) -> impl Iterator<Item = KeyValue> {
        let (requests, responses) = (self.requests(), self.responses());
        let counts = [
            (semconv::RPC_REQUEST_MESSAGE_COUNT, requests.count),
            (semconv::RPC_RESPONSE_MESSAGE_COUNT, responses.count),
        ];
        let sizes =
            [(semconv::RPC_REQUEST_SIZE, requests.bytes), (semconv::RPC_RESPONSE_SIZE, responses.bytes)];
        let counts = counts.into_iter().filter(move |_| enabled.counts);
        let sizes = sizes.into_iter().filter(move |_| enabled.sizes);
        counts.chain(sizes).map(|(key, number)| KeyValue::new(key, i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

/// Messages that went in one direction, and their bytes on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageTotals {
    /// Complete messages.
    pub(super) count: u64,
    /// Bytes of those, without prefixes.
    pub(super) bytes: u64,
}

/// The messages of one direction. Relaxed: the totals are read after the last message, or as a snapshot.
#[derive(Default)]
struct MessageCounter {
    /// Complete messages.
    count: AtomicU64,
    /// Bytes of those, as on the wire, without prefixes.
    bytes: AtomicU64,
}

impl MessageCounter {
    /// Counts one message.
    fn add(&self, size: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// Returns what was counted so far.
    fn totals(&self) -> MessageTotals {
        MessageTotals { count: self.count.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// Counts the messages of a request body.
pub(super) struct RequestMessages {
    /// The recorder, which has the instruments.
    recorder: Arc<CallRecorder>,
    /// The method, which has the bound histograms.
    method: Arc<Method>,
    /// The position of the request within its current message.
    framer: MessageFramer,
    /// The counter of the call.
    requests: Arc<MessageCounter>,
}

impl RequestMessages {
    /// Counts the messages that a data frame of the request completes.
    pub(super) fn push(&mut self, data: &impl Buf) {
        let Self { recorder, method, framer, requests } = self;
        framer.push(data, |size| {
            requests.add(size);
            method.instruments.record_request_size(&recorder.instruments, &method.name, size);
        });
    }
}

/// Finds where each message of a stream ends, without keeping any of its bytes.
#[derive(Clone, Debug, Default)]
struct MessageFramer {
    /// The prefix of the current message, as far as it was received.
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that were received.
    filled: usize,
    /// Bytes of the message that are still to come.
    remaining: usize,
}

/// One byte says whether the message is compressed, four its length.
/// Section "Length-Prefixed-Message" of the gRPC over HTTP/2 protocol.
const PREFIX: usize = 5;

/// Slices of one data frame that are parsed without an allocation; tonic and hyper send one.
const INLINE_SLICES: usize = 16;

/// Slices of one data frame that are parsed at all. Nothing is known to send as many.
const MAX_SLICES: usize = 1 << 16;

impl MessageFramer {
    /// Parses one data frame; `message` gets the size of each message that it completes. A message that is announced
    /// but not received does not count: four bytes can claim 4 GiB.
    fn push(&mut self, data: &impl Buf, mut message: impl FnMut(u64)) {
        let mut slices = [IoSlice::new(&[]); INLINE_SLICES];
        let filled = data.chunks_vectored(&mut slices);
        if filled < INLINE_SLICES {
            return self.feed_all(&slices[..filled], &mut message);
        }
        let mut count = INLINE_SLICES;
        loop {
            count *= 2;
            let mut slices = vec![IoSlice::new(&[]); count];
            let filled = data.chunks_vectored(&mut slices);
            if filled < count || count >= MAX_SLICES {
                return self.feed_all(&slices[..filled], &mut message);
            }
        }
    }

    /// Parses slices that follow each other.
    fn feed_all(&mut self, slices: &[IoSlice<'_>], message: &mut impl FnMut(u64)) {
        for slice in slices {
            self.feed(slice, message);
        }
    }

    /// Parses contiguous bytes. A message without content ends with its prefix.
    fn feed(&mut self, mut bytes: &[u8], message: &mut impl FnMut(u64)) {
        while !bytes.is_empty() {
            bytes = if self.filled < PREFIX { self.fill_prefix(bytes) } else { self.skip(bytes) };
            if self.filled == PREFIX && self.remaining == 0 {
                self.filled = 0;
                message(self.size().into());
            }
        }
    }

    /// Takes bytes of the prefix and returns the rest.
    fn fill_prefix<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let taken = (PREFIX - self.filled).min(bytes.len());
        let (head, rest) = bytes.split_at(taken);
        self.prefix[self.filled..self.filled + taken].copy_from_slice(head);
        self.filled += taken;
        if self.filled == PREFIX {
            self.remaining = self.size() as usize;
        }
        rest
    }

    /// Passes over bytes of the message and returns the rest.
    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let skipped = self.remaining.min(bytes.len());
        self.remaining -= skipped;
        bytes.split_at(skipped).1
    }

    /// Returns the length in a complete prefix.
    fn size(&self) -> u32 {
        let [_, length @ ..] = self.prefix;
        u32::from_be_bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(sizes: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &size in sizes {
            bytes.push(0);
            bytes.extend((size as u32).to_be_bytes());
            bytes.extend(std::iter::repeat_n(7, size));
        }
        bytes
    }

    fn sizes_in_pieces(bytes: &[u8], cuts: &[usize]) -> Vec<usize> {
        let mut framer = MessageFramer::default();
        let mut sizes = Vec::new();
        let mut rest = bytes;
        for &cut in cuts {
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            framer.push(&piece, |size| sizes.push(size as usize));
            rest = tail;
        }
        framer.push(&rest, |size| sizes.push(size as usize));
        sizes
    }

    proptest! {
        #[test]
        fn messages_are_found_wherever_frames_are_cut(
            sizes in proptest::collection::vec(0_usize..40, 0..12),
            cuts in proptest::collection::vec(0_usize..30, 0..20),
        ) {
            prop_assert_eq!(sizes_in_pieces(&encode(&sizes), &cuts), sizes);
        }
    }

    #[test]
    fn incomplete_prefix_is_not_a_message() {
        assert_eq!(sizes_in_pieces(&[0, 0, 0, 0], &[1, 1]), Vec::<usize>::new());
    }

    #[test]
    fn incomplete_message_is_not_a_message() {
        let announced = [0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        assert_eq!(sizes_in_pieces(&announced, &[6]), Vec::<usize>::new());
        assert_eq!(sizes_in_pieces(&[&encode(&[2]), &announced[..]].concat(), &[]), [2]);
    }

    #[test]
    fn a_frame_of_several_parts_is_followed_through() {
        let bytes = encode(&[3, 4]);
        let (head, tail) = bytes.split_at(6);
        let mut sizes = Vec::new();
        MessageFramer::default().push(&head.chain(tail), |size| sizes.push(size));
        assert_eq!(sizes, [3, 4]);
    }

    /// A frame whose bytes are in one part each.
    struct Scattered(Vec<u8>);

    impl Buf for Scattered {
        fn remaining(&self) -> usize {
            self.0.len()
        }

        fn chunk(&self) -> &[u8] {
            self.0.get(..1).unwrap_or_default()
        }

        fn advance(&mut self, count: usize) {
            self.0.drain(..count);
        }

        fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
            let pairs = slices.iter_mut().zip(self.0.chunks(1));
            pairs.map(|(slice, part)| *slice = IoSlice::new(part)).count()
        }
    }

    #[test]
    fn a_frame_of_many_parts_is_followed_through() {
        for size in [10, 11, 27, 100] {
            let mut sizes = Vec::new();
            let mut framer = MessageFramer::default();
            framer.push(&Scattered(encode(&[size, 4])), |size| sizes.push(size));
            framer.push(&Scattered(encode(&[5])), |size| sizes.push(size));
            assert_eq!(sizes, [size as u64, 4, 5]);
        }
    }
}
