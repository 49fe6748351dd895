//! Environment and builder, resolved to plain data.

mod types;

pub(crate) use types::*;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// [`Pretty`](Self::Pretty) when the output is a terminal, [`Json`](Self::Json) otherwise.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Pretty,
    /// No lines.
    Off,
}
