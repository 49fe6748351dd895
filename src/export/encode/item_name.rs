//! The name of an encoded item, for messages about an item that cannot be delivered.
//!
//! Only the bytes are left when a receiver refuses an item, so the name is read back from them.

use super::wire::message_fields;
use crate::settings::Signal;

/// Describes the first item of an export request: `the span "checkout" of 12345 bytes`. A log record has the name of
/// its event, or else that of its scope. Returns `None` if the request has no item.
pub(in crate::export) fn describe_item(signal: Signal, request: &[u8]) -> Option<String> {
    let scope_items = field(field(request, 1)?, 2)?;
    let item = field(scope_items, 2)?;
    let scope_name = || field(field(scope_items, 1)?, 1);
    let (kind, name) = match signal {
        Signal::Traces => ("span", field(item, 5)),
        Signal::Metrics => ("metric", field(item, 1)),
        Signal::Logs => ("log record", field(item, 12).or_else(scope_name)),
    };
    let name = shortened(&String::from_utf8_lossy(name.unwrap_or_default()));
    Some(format!("the {kind} {name:?} of {} bytes", item.len()))
}

/// Returns the content of the first length-delimited field with this number.
fn field(message: &[u8], number: u32) -> Option<&[u8]> {
    message_fields(message).find_map(|field| field.content_of(&[number]))
}

/// Returns the first [`MAX_NAME_CHARS`] characters, with an ellipsis if there are more. Cut between characters, so
/// the result is UTF-8.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// The longest name in a message, in characters.
const MAX_NAME_CHARS: usize = 80;
