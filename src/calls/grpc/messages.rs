//! Messages inside a body: gRPC's length-prefixed framing, followed across the borders of HTTP frames.

use std::io::IoSlice;

use bytes::Buf;

/// Finds where each message of a stream ends, without keeping any of it.
#[derive(Clone, Debug, Default)]
pub(super) struct MessageFramer {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that have been seen.
    filled: usize,
    /// Bytes of the message that are still to come.
    remaining: usize,
}

/// One byte says whether the message is compressed, four its length.
const PREFIX: usize = 5;

/// Parts of one data frame that are looked at; tonic and hyper send one.
const MAX_SLICES: usize = 16;

impl MessageFramer {
    /// Follows one data frame; `message` gets the size of each message that it completes. What a peer only
    /// announces is not believed: four bytes can claim 4 GiB.
    pub(super) fn follow(&mut self, data: &impl Buf, mut message: impl FnMut(u64)) {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let filled = data.chunks_vectored(&mut slices);
        for slice in slices.iter().take(filled) {
            self.feed(slice, &mut message);
        }
    }

    fn feed(&mut self, mut bytes: &[u8], message: &mut impl FnMut(u64)) {
        while !bytes.is_empty() {
            bytes = if self.filled < PREFIX { self.fill_prefix(bytes) } else { self.skip(bytes) };
            if self.filled == PREFIX && self.remaining == 0 {
                self.filled = 0;
                message(self.size().into());
            }
        }
    }

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

    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let skipped = self.remaining.min(bytes.len());
        self.remaining -= skipped;
        bytes.split_at(skipped).1
    }

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
        let mut framing = MessageFramer::default();
        let mut sizes = Vec::new();
        let mut rest = bytes;
        for &cut in cuts {
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            framing.follow(&piece, |size| sizes.push(size as usize));
            rest = tail;
        }
        framing.follow(&rest, |size| sizes.push(size as usize));
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
    fn a_prefix_that_never_completes_is_no_message() {
        assert_eq!(sizes_in_pieces(&[0, 0, 0, 0], &[1, 1]), Vec::<usize>::new());
    }

    #[test]
    fn a_message_that_never_completes_is_none() {
        let announced = [0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        assert_eq!(sizes_in_pieces(&announced, &[6]), Vec::<usize>::new());
        assert_eq!(sizes_in_pieces(&[&encode(&[2]), &announced[..]].concat(), &[]), [2]);
    }

    #[test]
    fn a_frame_of_several_parts_is_followed_through() {
        let bytes = encode(&[3, 4]);
        let (head, tail) = bytes.split_at(6);
        let mut sizes = Vec::new();
        MessageFramer::default().follow(&head.chain(tail), |size| sizes.push(size));
        assert_eq!(sizes, [3, 4]);
    }
}
