//! The vocabulary of event fields that all log formats share: JSON, text for people, and OTLP records.

/// The role of a field of a `tracing` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventField<'a> {
    /// The text of the event.
    Message,
    /// Target, file, line or module of a record of the `log` crate, which `tracing-log` passes on as fields. The
    /// event's metadata has them already.
    LogMetadata,
    /// A field of the program, by its name.
    Named(&'a str),
}

impl<'a> EventField<'a> {
    /// Classifies a field by its name. `is_log_record` is `true` for events that were records of the `log` crate.
    pub(crate) fn new(name: &'a str, is_log_record: bool) -> Self {
        if name == MESSAGE {
            return Self::Message;
        }
        if is_log_record && name.starts_with(LOG_METADATA) {
            return Self::LogMetadata;
        }
        Self::Named(name.strip_prefix(RAW_IDENTIFIER).unwrap_or(name))
    }
}

/// The field that the text of an event arrives in.
pub(crate) const MESSAGE: &str = "message";

/// The name of a further field `message`: the first one is the text of the event.
pub(crate) const LATER_MESSAGE: &str = "field.message";

/// The prefix of the fields in which `tracing-log` passes on metadata.
const LOG_METADATA: &str = "log.";

/// `r#type = …` is a field called `type`.
const RAW_IDENTIFIER: &str = "r#";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_classified() {
        assert_eq!(EventField::new("message", false), EventField::Message);
        assert_eq!(EventField::new("r#type", false), EventField::Named("type"));
        assert_eq!(EventField::new("log.target", true), EventField::LogMetadata);
        assert_eq!(EventField::new("log.target", false), EventField::Named("log.target"));
    }
}
