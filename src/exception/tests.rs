use super::*;

fn error_type(error: &(dyn Error + 'static)) -> String {
    describe(error).kind(error).to_string()
}

fn stacktrace(error: &(dyn Error + 'static)) -> Option<String> {
    describe(error).stacktrace()
}

#[derive(Debug, thiserror::Error)]
#[error("cannot place the order")]
struct PlacingError(#[source] Outer);

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct Outer {
    source: std::num::ParseIntError,
}

fn placing_error() -> PlacingError {
    PlacingError(Outer { source: "x".parse::<i32>().unwrap_err() })
}

fn name(error: &(dyn Error + 'static)) -> Option<String> {
    describe(error).type_name().map(str::to_owned)
}

#[test]
fn derived_debug_yields_the_type() {
    let error = placing_error();
    assert_eq!(name(&error).as_deref(), Some("PlacingError"));
    assert_eq!(name(&error.0).as_deref(), Some("Outer"));
    assert_eq!(name(&fmt::Error).as_deref(), Some("Error"));
    assert_eq!(name(&io::Error::from(io::ErrorKind::NotFound)).as_deref(), Some("std::io::Error"));
}

#[test]
fn debug_output_that_is_a_sentence_yields_no_type() {
    for text in ["No such thing", "no", "", "Köln", &"X".repeat(100)] {
        let error: Box<dyn Error> = text.into();
        assert_eq!(name(&*error), None, "{text}");
    }
}

#[test]
fn the_chain_names_every_cause() {
    let mut text = String::new();
    describe(&placing_error()).write_chain(&mut text).unwrap();
    assert_eq!(
        text,
        "PlacingError: cannot place the order\nCaused by: no answer\nCaused by: invalid digit found in string"
    );
}

#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("out of stock")]
    OutOfStock { item: u32 },
    #[error("payment failed: {0}")]
    Payment(#[source] io::Error),
    #[error(transparent)]
    Other(#[from] Box<dyn Error + Send + Sync>),
}

/// Shows its text as `Debug`, and a generic name, as the popular dynamic error does.
struct Dynamic(&'static str, Option<io::Error>);

impl fmt::Debug for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\nStack backtrace:\n   0: main\n", self.0)
    }
}

impl fmt::Display for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Dynamic {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_ref().map(|error| error as _)
    }
}

#[test]
fn the_type_is_the_name_that_debug_begins_with() {
    assert_eq!(error_type(&OrderError::OutOfStock { item: 7 }), "OutOfStock");
    assert_eq!(error_type(&OrderError::Payment(io::ErrorKind::TimedOut.into())), "Payment");
    assert_eq!(error_type(&"x".parse::<u8>().unwrap_err()), "ParseIntError");
    assert_eq!(error_type(&fmt::Error), OTHER);
    assert_eq!(error_type(&tonic::Status::internal("boom")), "INTERNAL");
    assert_eq!(error_type(&tonic::Status::deadline_exceeded("late")), "DEADLINE_EXCEEDED");
}

#[test]
fn the_type_of_an_io_error_is_its_kind() {
    assert_eq!(error_type(&io::Error::from(io::ErrorKind::NotFound)), "NotFound");
    assert_eq!(error_type(&io::Error::from_raw_os_error(111)), "ConnectionRefused");
    assert_eq!(error_type(&io::Error::other("plain")), "Other");
    assert_eq!(error_type(&io::Error::other(OrderError::OutOfStock { item: 7 })), "OutOfStock");
}

#[test]
fn unnamed_wrappers_are_skipped() {
    let wrapped = Dynamic("Cannot load", Some(io::ErrorKind::NotFound.into()));
    assert_eq!(error_type(&wrapped), "NotFound");
    assert_eq!(error_type(&Dynamic("Cannot load", None)), OTHER);
    let text: Box<dyn Error + Send + Sync> = "plain".into();
    assert_eq!(error_type(&*text), OTHER);
    assert_eq!(error_type(&OrderError::from(text)), "Other");
}

#[test]
fn stack_trace_holds_the_causes_and_the_backtrace_that_the_error_shows() {
    let error = OrderError::Payment(io::Error::other("card refused"));
    let trace = |error: &(dyn Error + 'static)| stacktrace(error).unwrap_or_default();
    assert_eq!(trace(&error), "Payment: payment failed: card refused\nCaused by: card refused");
    assert_eq!(trace(&Dynamic("cannot load", None)), "cannot load\nStack backtrace:\n   0: main");
    assert_eq!(stacktrace(&OrderError::OutOfStock { item: 7 }), None);
}

#[test]
fn a_panic_while_an_event_is_written_leaves_no_texts_of_its_errors() {
    struct Counts(std::cell::Cell<u32>);
    impl fmt::Debug for Counts {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Counts")
        }
    }
    impl fmt::Display for Counts {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            write!(f, "text {}", self.0.get())
        }
    }
    impl Error for Counts {}
    fn panics(work: impl FnOnce()) {
        assert!(catch_panic(work).is_none());
    }
    let error = Counts(std::cell::Cell::new(0));
    panics(|| {
        once_per_event(|| {
            assert_eq!(describe(&error).message, "text 1");
            panic!("on purpose")
        });
    });
    assert_eq!(describe(&error).message, "text 2");
    assert_eq!(describe(&error).message, "text 3");
    panics(|| with_text(&error, |_| panic!("on purpose")));
    once_per_event(|| assert_eq!(describe(&error).message, "text 5"));
}
