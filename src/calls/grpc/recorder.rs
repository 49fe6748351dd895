//! Everything that the calls of one layer share.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use http::uri::Authority;
use http::{Extensions, Request};
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::{Span, SpanBuilder, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tonic::transport::server::TcpConnectInfo;

use super::environment;
use super::instruments::Instruments;
use super::metadata::{self, HeaderCapture, Parent};
use super::method::Methods;
use super::method_name::name_of;
use super::options::Options;
use super::target::Address;
use crate::provider::SamplingShortcut;
use crate::provider::installed::Installed;
use crate::semconv;
use crate::settings::RpcConventions;

/// The options of a layer, and what is made of them at its first call: by then the globals are installed.
#[derive(Clone, Debug)]
pub(super) struct Telemetry {
    options: Arc<Options>,
    recorder: Arc<OnceLock<Arc<Recorder>>>,
}

impl Telemetry {
    pub(super) fn new(options: Options) -> Self {
        Self { options: Arc::new(options), recorder: Arc::default() }
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Options)) {
        change(Arc::make_mut(&mut self.options));
        self.recorder = Arc::default();
    }

    /// What records this request, if it is one to be recorded.
    pub(super) fn recorder_of<B>(&self, request: &Request<B>) -> Option<&Arc<Recorder>> {
        let recorded = metadata::is_grpc(request.headers())
            && self.options.filter.as_ref().is_none_or(|filter| filter(name_of(request.uri().path())))
            && !Context::is_current_telemetry_suppressed();
        recorded.then(|| self.recorder.get_or_init(|| Arc::new(Recorder::new(Arc::clone(&self.options)))))
    }
}

pub(super) struct Recorder {
    pub(super) options: Arc<Options>,
    pub(super) conventions: RpcConventions,
    pub(super) tracer: Tracer,
    pub(super) instruments: Instruments,
    pub(super) methods: Methods,
    pub(super) request_headers: HeaderCapture,
    pub(super) response_headers: HeaderCapture,
    pub(super) response_trailers: HeaderCapture,
    addresses: AddressCache,
}

impl Recorder {
    fn new(options: Arc<Options>) -> Self {
        let conventions = environment::conventions();
        let names = environment::captured(options.side, &options.captured);
        let instruments = Instruments::new(
            &meter(&options),
            options.side,
            conventions,
            options.wanted,
            Arc::clone(&options.is_error),
            options.target.clone(),
        );
        Self {
            conventions,
            tracer: Tracer::new(&options),
            instruments,
            methods: Methods::new(options.side, options.known_methods.as_deref()),
            request_headers: HeaderCapture::new(semconv::RPC_REQUEST_HEADER, names.request),
            response_headers: HeaderCapture::new(semconv::RPC_RESPONSE_HEADER, names.response),
            response_trailers: HeaderCapture::new(semconv::RPC_RESPONSE_TRAILER, names.trailers),
            addresses: AddressCache::default(),
            options,
        }
    }

    /// Whether messages have to be followed.
    pub(super) fn follows_messages(&self) -> bool {
        self.options.access_log || self.instruments.follows_messages()
    }

    /// `server.address` and `server.port`: of the configured target, or else of the request's authority.
    pub(super) fn address<B>(&self, request: &Request<B>) -> Option<Address> {
        if let Some(target) = &self.options.target {
            return Some(target.clone());
        }
        if let Some(authority) = request.uri().authority() {
            return Some(self.addresses.get(authority));
        }
        let host = request.headers().get(http::header::HOST)?;
        Some(self.addresses.get(&Authority::try_from(host.as_bytes()).ok()?))
    }

    pub(super) fn peer(&self, extensions: &Extensions) -> Option<SocketAddr> {
        match &self.options.peer_address {
            Some(address) => address(extensions),
            None => extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr),
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// The address of the last authority: one server has one name for nearly all of its callers.
#[derive(Default)]
struct AddressCache {
    last: ArcSwapOption<(Authority, Address)>,
}

impl AddressCache {
    fn get(&self, authority: &Authority) -> Address {
        // To the letter: comparing authorities as such, case by case, costs ten times as much.
        if let Some(last) = &*self.last.load()
            && last.0.as_str() == authority.as_str()
        {
            return last.1.clone();
        }
        let address = Address::of_authority(authority);
        self.last.store(Some(Arc::new((authority.clone(), address.clone()))));
        address
    }
}

/// Starts the spans of calls.
pub(super) struct Tracer {
    inner: Inner,
    sampling_shortcut: SamplingShortcut,
}

/// A tracer of the SDK where it is known to be one: its spans are boxed once less.
enum Inner {
    Sdk(SdkTracer),
    Global(BoxedTracer),
}

impl Tracer {
    fn new(options: &Options) -> Self {
        let sdk = |provider: &SdkTracerProvider| Inner::Sdk(provider.tracer_with_scope(scope()));
        if let Some(provider) = &options.tracer_provider {
            return Self { inner: sdk(provider), sampling_shortcut: SamplingShortcut::Nothing };
        }
        match Installed::get() {
            Some(Installed { tracer_provider: Some(provider), sampling_shortcut, .. }) => {
                Self { inner: sdk(provider), sampling_shortcut: *sampling_shortcut }
            }
            _ => {
                let global = Inner::Global(global::tracer_with_scope(scope()));
                Self { inner: global, sampling_shortcut: SamplingShortcut::Nothing }
            }
        }
    }

    /// Starts a span under `parent`; `late` adds what only a recorded span needs. The context holds the
    /// span; the flag says whether it is recorded.
    pub(super) fn start(
        &self,
        span: impl FnOnce() -> SpanBuilder,
        parent: Parent,
        late: impl FnOnce(&mut dyn FnMut(KeyValue)),
    ) -> (Context, bool) {
        if let Some(child) = parent.with_span(|parent| self.sampling_shortcut.unsampled_child_of(parent)) {
            return (parent.around().with_remote_span_context(child), false);
        }
        let parent = parent.into_context();
        match &self.inner {
            Inner::Sdk(tracer) => within(tracer.build_with_context(span(), &parent), &parent, late),
            Inner::Global(tracer) => within(tracer.build_with_context(span(), &parent), &parent, late),
        }
    }
}

fn within<S: Span + Send + Sync + 'static>(
    mut span: S,
    parent: &Context,
    late: impl FnOnce(&mut dyn FnMut(KeyValue)),
) -> (Context, bool) {
    let recording = span.is_recording();
    if recording {
        late(&mut |attribute| span.set_attribute(attribute));
    }
    (parent.with_span(span), recording)
}

fn meter(options: &Options) -> Meter {
    match &options.meter_provider {
        Some(provider) => provider.meter_with_scope(scope()),
        None => global::meter_with_scope(scope()),
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(semconv::SCOPE_NAME)
        .with_version(semconv::SCOPE_VERSION)
        .with_schema_url(semconv::SCHEMA_URL)
        .build()
}
