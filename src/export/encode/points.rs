//! The data points of an encoded metrics request: counted, and cut into halves where a request is too large.
//!
//! A collector that answers 413 or "message too large" gets the points of a collection in several requests. The request
//! is cut as bytes, because the collection that it was made of is gone by then.
//!
//! ```text
//! request ─ resource_metrics ─ scope_metrics ─ metrics ─ gauge | sum | … ─ data_points: 0 1 2 │ 3 4
//!                                                                           first half ──────┘ └─ second
//! ```
//!
//! The context of a point (resource, scope, name, unit, temporality) is copied to each half that has a point of it.

use std::ops::Range;

use bytes::Bytes;

use super::wire::{MessageField, length, message_fields};

/// Returns two requests with half of the points each, and their numbers of points. `None` if there is only one point,
/// or none. If the number is odd, the first half is smaller. Callers split again until the request fits or a single
/// point remains.
pub(in crate::export) fn halves(request: &[u8]) -> Option<[(Bytes, u64); 2]> {
    let count = count(request, PATH);
    let half = count / 2;
    let part = |range: Range<usize>| {
        let mut part = Vec::with_capacity(request.len());
        keep(request, PATH, &mut 0, &range, &mut part);
        (Bytes::from(part), range.len() as u64)
    };
    (half > 0).then(|| [part(0..half), part(half..count)])
}

/// Returns the number of points below a message. `path` leads on from it.
fn count(message: &[u8], path: &[&[u32]]) -> usize {
    let [level, below @ ..] = path else { return 1 };
    let parts = message_fields(message).filter_map(|field| field.content_of(level));
    parts.map(|content| count(content, below)).sum()
}

/// Appends a message with only the points in `range`, and with what is around them. Returns `true` if there is one.
///
/// `position` counts the points that were passed, over the whole request.
fn keep(
    message: &[u8],
    path: &[&[u32]],
    position: &mut usize,
    range: &Range<usize>,
    out: &mut Vec<u8>,
) -> bool {
    let [level, below @ ..] = path else {
        out.extend_from_slice(message);
        *position += 1;
        return range.contains(&(*position - 1));
    };
    let mut any = false;
    for field in message_fields(message) {
        let Some(content) = field.content_of(level) else {
            out.extend_from_slice(field.whole);
            continue;
        };
        let mut kept = Vec::new();
        if keep(content, below, position, range, &mut kept) {
            any = true;
            push(field, &kept, out);
        }
    }
    any
}

/// Appends a field with other content than it had. Its length differs, so the head is written anew; everything else
/// is copied with the head that it had.
fn push(field: MessageField<'_>, content: &[u8], out: &mut Vec<u8>) {
    // The numbers of the path are small.
    length(out, field.number as u8, content.len());
    out.extend_from_slice(content);
}

/// The fields that lead from a request to its points: `resource_metrics`, `scope_metrics`, `metrics`, the data of each
/// kind of metric, `data_points`.
const PATH: &[&[u32]] = &[&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]];
