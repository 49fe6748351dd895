//! Isolation of user code: panics are caught, and texts are copied up to a limit.
//!
//! | of the program | may | is called under |
//! |---|---|---|
//! | samplers, processors, views, propagators, callbacks, closures of layers | panic | [`catch_panic()`] |
//! | `Debug`, `Display`, `Error::source` | panic, write without end | [`catch_panic()`], into a [`BoundedText`](bounded_text::BoundedText) |
//! | the payload of a panic | panic when it is dropped | [`discard`] |

pub(crate) mod bounded_text;
mod catch_panic;

pub(crate) use self::catch_panic::{catch_panic, discard};
