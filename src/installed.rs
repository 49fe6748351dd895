//! What `build()` has installed, for those parts of this crate that are made without a guard at hand.

use std::sync::OnceLock;

use opentelemetry_sdk::trace::SdkTracerProvider;

/// Set once, by `install`; it stays what it is until the process ends.
#[derive(Debug)]
pub(crate) struct Installed {
    /// The global one without its indirection. None where `OTEL_SDK_DISABLED` says so.
    pub(crate) tracer_provider: Option<SdkTracerProvider>,
    /// `Builder::ignore_env`: only code and defaults count.
    pub(crate) ignores_env: bool,
}

impl Installed {
    pub(crate) fn get() -> Option<&'static Self> {
        INSTALLED.get()
    }

    /// Makes it what everybody gets; the first one stays.
    pub(crate) fn set(self) {
        let _ = INSTALLED.set(self);
    }
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();
