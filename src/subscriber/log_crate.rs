//! Records of the `log` crate, with their key-values.
//!
//! ```text
//! log::info!(user = 7; "…") ─▶ LogRecords ─ key-values into the context ─▶ LogTracer ─▶ event `log event` ─▶ our layer
//! ```
//!
//! The event has the text, level, target and place of the record as fields, which the outputs take for their own; the
//! key-values come back from the context as fields beside them.

use std::sync::atomic::{AtomicBool, Ordering};

use log::kv::{Error, Key, Value as LogValue, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use opentelemetry::{KeyValue, Value};
use tracing_core::dispatcher::{self, Dispatch};
use tracing_log::LogTracer;

use crate::lines::context_fields::with_fields;
use crate::trace_ids::may_touch_context;
use crate::user_code::bounded_text::{MAX_TEXT, PANICKED, beginning, to_text};
use crate::user_code::catch_panic;

/// Makes records of the `log` crate `tracing` events.
///
/// The maximum level stays open: our filters decide, and they can be replaced.
///
/// # Errors
///
/// Another logger is installed already.
pub(crate) fn install() -> Result<(), SetLoggerError> {
    log::set_boxed_logger(Box::new(LogRecords(LogTracer::new())))?;
    log::set_max_level(LevelFilter::max());
    Ok(())
}

/// Returns `true` if each event of `tracing` is a record of the `log` crate as well, which [`install`] would make a second
/// event: some crate of the build has the feature `log-always` of `tracing` on.
pub(crate) fn has_log_always() -> bool {
    dispatcher::with_default(&Dispatch::none(), || tracing::error!(target: PROBE, "is it a record, too?"));
    SAW_PROBE.load(Ordering::Acquire)
}

/// Passes records on to `tracing-log`. Their key-values, which it does not know, go with them as fields of the context.
struct LogRecords(LogTracer);

impl Log for LogRecords {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The probe is for no subscriber.
        metadata.target() == PROBE || self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == PROBE {
            return SAW_PROBE.store(true, Ordering::Release);
        }
        // A source of the program may count by visiting its fields, which can panic.
        let has_fields = catch_panic(|| record.key_values().count()).unwrap_or(1) > 0;
        if !has_fields || !may_touch_context(record.target()) || !self.enabled(record.metadata()) {
            return self.0.log(record);
        }
        let mut fields = Fields(Vec::new());
        // A source that fails or panics has passed some of its fields before.
        catch_panic(|| record.key_values().visit(&mut fields));
        let _attached = with_fields(fields.0).attach();
        self.0.log(record);
    }

    fn flush(&self) {}
}

/// Target of the event of [`has_log_always`].
const PROBE: &str = "telemetry_bootstrap::log_probe";
/// The probe has come back as a record.
static SAW_PROBE: AtomicBool = AtomicBool::new(false);

/// The key-values of one record; of one key the last value.
struct Fields(Vec<KeyValue>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: LogValue<'kvs>) -> Result<(), Error> {
        let mut field = FieldValue(None);
        let visited = catch_panic(|| value.visit(&mut field));
        let value = if visited.is_none() { Some(PANICKED.into()) } else { field.0 };
        if let Some(value) = value {
            self.0.retain(|earlier| earlier.key.as_str() != key.as_str());
            self.0.push(KeyValue::new(key.as_str().to_owned(), value));
        }
        Ok(())
    }
}

/// A value with its type, as far as an attribute can have it.
struct FieldValue(Option<Value>);

impl<'v> VisitValue<'v> for FieldValue {
    fn visit_any(&mut self, value: LogValue<'_>) -> Result<(), Error> {
        self.0 = Some(to_text(&value).into());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = Some(i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::I64));
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = Some(value.into());
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.0 = Some(value.into());
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = Some(value.into());
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.0 = Some(beginning(value, MAX_TEXT).to_owned().into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriber::tests::rig::{Rig, texts};

    #[test]
    fn event_that_is_also_a_log_record_is_detected() {
        assert!(!has_log_always());
        let probe = Record::builder().level(log::Level::Error).target(PROBE).build();
        let records = LogRecords(LogTracer::new());
        // As `tracing` does before it makes the record.
        let is_enabled = dispatcher::with_default(&Dispatch::none(), || records.enabled(probe.metadata()));
        assert!(is_enabled);
        records.log(&probe);
        assert!(SAW_PROBE.swap(false, Ordering::AcqRel));
    }

    #[test]
    fn the_feature_log_always_is_reported_at_the_start() {
        let child = "subscriber::log_crate::tests::child_starts_after_a_probe";
        for (probes, expected) in [("1", true), ("0", false)] {
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            command.args(["--ignored", "--exact", "--nocapture", "--test-threads=1", child]);
            let output = command.env("PROBES", probes).stdin(std::process::Stdio::null()).output().unwrap();
            let out = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && out.starts_with("\nrunning 1 test\n"), "{out}");
            assert_eq!(out.contains("every event is logged twice"), expected, "{out}");
        }
    }

    /// Such a build makes the probe a record. Here one was seen before the start.
    #[test]
    #[ignore = "run by the test above, in a process of its own"]
    fn child_starts_after_a_probe() {
        if std::env::var("PROBES").as_deref() == Ok("1") {
            let probe = Record::builder().level(log::Level::Error).target(PROBE).build();
            LogRecords(LogTracer::new()).log(&probe);
        }
        let output = |output: crate::LogOutput| output.destination(crate::LogDestination::Stdout);
        let guard = crate::init().ignore_env().log_output(output).build().unwrap();
        guard.shutdown().unwrap();
    }

    #[test]
    fn a_source_that_panics_loses_only_its_remaining_fields() {
        struct Panics;
        impl log::kv::Source for Panics {
            fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
                visitor.visit_pair("user".into(), 7.into())?;
                panic!("on purpose")
            }
        }
        let rig = Rig::new();
        let mut record = Record::builder();
        let record = record.level(log::Level::Info).target("source").key_values(&Panics);
        LogRecords(LogTracer::new()).log(&record.args(format_args!("kept")).build());
        assert_eq!(texts(&rig.lines), ["kept"]);
    }
}
