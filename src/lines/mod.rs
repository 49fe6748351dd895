//! Log lines: their formats and the writer.

pub(crate) mod event_field;
pub mod json;
pub(crate) mod kept_fields;
pub(crate) mod pretty;
pub(crate) mod shared_visit;
pub(crate) mod span;
pub(crate) mod span_table;
pub(crate) mod writer;
