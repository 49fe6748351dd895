//! The destinations of a signal: those that the environment lists, and those that were given in code.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use super::{ExportSettings, OTLP_DESTINATION};
use crate::settings::credentials::{HeaderSource, RequestSigner};
use crate::settings::opened_file::open_to_append;
use crate::settings::secrets::{quoted_path, shown_path};
use crate::settings::setting::settings;
use crate::settings::types::{Compression, Protocol, TlsSettings};
use crate::settings::value_kind::{Kind, TEMPORALITY, any, plain};
use crate::settings::values::Values;

/// Where one signal is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DestinationSettings {
    /// A receiver, over gRPC or HTTP.
    Otlp(Box<ExportSettings>),
    /// OTLP as lines of JSON.
    Output(OutputTarget),
    /// Standard output, for people.
    Console,
}

/// Where lines of JSON go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OutputTarget {
    /// Standard output, which other output of the program shares.
    Stdout,
    /// A file that is appended to.
    File(PathBuf),
}

impl OutputTarget {
    /// For messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdout => "stdout".to_owned(),
            Self::File(path) => shown_path(path),
        }
    }
}

impl DestinationSettings {
    /// The address, without path and credentials: `https://collector:4317`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Otlp(export) => export.target.address(),
            Self::Output(target) => target.name(),
            Self::Console => CONSOLE.to_owned(),
        }
    }

    /// Returns what tells one target from another. It may hold a secret: two that are redacted have one
    /// [`name`](Self::name).
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Otlp(export) => export.target.identity(),
            Self::Output(OutputTarget::File(path)) => format!("{path:?}"),
            Self::Output(OutputTarget::Stdout) | Self::Console => self.name(),
        }
    }

    /// The address, with the protocol and the proxy: `https://collector:4317 (grpc, via http://proxy:3128)`.
    ///
    /// The protocol is written as in the variable. One that is used at first may change, see [`ProtocolSetting`].
    pub(crate) fn description(&self) -> String {
        let name = self.name();
        let Self::Otlp(export) = self else { return name };
        let protocol = export.protocol.first.name();
        let at_first = if export.protocol.may_switch { " at first" } else { "" };
        match &export.target.proxy {
            Some(proxy) => format!("{name} ({protocol}{at_first}, via {})", proxy.shown_address()),
            None => format!("{name} ({protocol}{at_first})"),
        }
    }

    /// The bytes of one request.
    pub(crate) fn max_request_size(&self) -> usize {
        match self {
            Self::Otlp(export) => export.max_request_size,
            Self::Output(_) | Self::Console => usize::MAX,
        }
    }

    /// Returns the same destination, with the shorter of two limits for one export.
    pub(crate) fn within(self, limit: Duration) -> Self {
        match self {
            Self::Otlp(export) => {
                let timeout = export.timeout.min(limit);
                Self::Otlp(Box::new(ExportSettings { timeout, ..*export }))
            }
            Self::Output(_) | Self::Console => self,
        }
    }
}

/// A destination of telemetry, beside the one that [`Builder::endpoint`](crate::Builder::endpoint) and the environment
/// name.
///
/// Each destination has a queue, a worker and counts of its own
/// ([`ExportStats::destinations`](crate::ExportStats::destinations)): one that is slow or down costs the others
/// nothing.
///
/// ```
/// use telemetry_bootstrap::Destination;
///
/// # let _ =
/// telemetry_bootstrap::init()
///     .endpoint("http://collector:4317")
///     .traces(|traces| {
///         traces.destination(Destination::otlp("https://otlp.example.com").header("x-token", "…"))
///     });
/// ```
#[derive(Debug)]
#[must_use = "a destination has no effect until it is given to `destination`"]
pub struct Destination {
    pub(super) kind: DestinationKind,
}

#[derive(Debug)]
pub(super) enum DestinationKind {
    Otlp(Values),
    OtlpStdout,
    OtlpFile(Values),
    Console,
}

impl Destination {
    /// An OTLP receiver, by its address as in [`Builder::endpoint`](crate::Builder::endpoint).
    ///
    /// For OTLP over HTTP the signal's part (`/v1/traces`) is added to the path, unless the path ends with it.
    ///
    /// Nothing of it comes from the environment or from the other setters, so that no header reaches a receiver that
    /// it is not for.
    pub fn otlp(endpoint: impl Into<String>) -> OtlpDestination {
        let mut values = Values::default();
        values.set(&OTLP_DESTINATION.endpoint, endpoint.into());
        OtlpDestination { values }
    }

    /// Standard output, as OTLP in JSON: one export request a line, for a log shipper of a container.
    ///
    /// In the environment `otlp/stdout`, as in `OTEL_TRACES_EXPORTER=otlp/stdout`. Log lines go to standard error by
    /// default, so that the two do not mix.
    ///
    /// If the reader of a pipe is gone, as in `program | head`, what is exported there fails at once, and a warning is
    /// logged.
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// # let _ =
    /// telemetry_bootstrap::init().destination(Destination::otlp_stdout());
    /// ```
    pub fn otlp_stdout() -> Self {
        Self { kind: DestinationKind::OtlpStdout }
    }

    /// Standard output, for people: each trace as a tree when it has ended, with the log records, span events and links
    /// in it, and metrics as a table of totals. Coloured on a terminal, unless `NO_COLOR` is set.
    ///
    /// In the environment `console`, as in `OTEL_TRACES_EXPORTER=console`. Log lines go to standard error by default;
    /// [`LogFormat::Off`](crate::LogFormat::Off) turns them off where the log records are printed here.
    ///
    /// A trace that has not ended after 5 seconds is printed incomplete, and the rest of it later. If the reader of
    /// a pipe is gone, as in `program | head`, what is exported there fails at once, and a warning is logged.
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// # let _ =
    /// telemetry_bootstrap::init().destination(Destination::console());
    /// ```
    pub fn console() -> Self {
        Self { kind: DestinationKind::Console }
    }

    /// A file, as OTLP in JSON: one export request a line, as the receiver `otlpjsonfile` of the OpenTelemetry
    /// Collector reads it. Lines are appended; the file is created if it is not there, also after it was moved away.
    ///
    /// In the environment `otlp_file`, as in `OTEL_TRACES_EXPORTER=otlp_file`, with the path in
    /// `OTEL_RUST_EXPORTER_OTLP_FILE_PATH`.
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// # let _ =
    /// telemetry_bootstrap::init().destination(Destination::otlp_file("/var/log/shop/telemetry.jsonl"));
    /// ```
    ///
    /// # Errors
    ///
    /// `build()` returns an [`InitError`](crate::InitError) if the file cannot be opened, or is a FIFO.
    pub fn otlp_file(path: impl Into<PathBuf>) -> Self {
        let mut values = Values::default();
        values.set(&OTLP_FILE, Some(path.into()));
        Self { kind: DestinationKind::OtlpFile(values) }
    }
}

/// An OTLP receiver; see [`Destination::otlp`].
#[derive(Debug)]
#[must_use = "a destination has no effect until it is given to `destination`"]
pub struct OtlpDestination {
    values: Values,
}

impl OtlpDestination {
    /// Adds a header to each request. The value is never shown in messages.
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// let _ = Destination::otlp("https://otlp.example.com").header("x-tenant", "acme");
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into(), value.into());
        self.values.update(&OTLP_DESTINATION.headers, |headers| headers.push(header));
        self
    }

    /// Limit for one export of one batch. Zero: none. Default: 10 s.
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// let _ = Destination::otlp("https://otlp.example.com").timeout(std::time::Duration::from_secs(5));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.values.set(&OTLP_DESTINATION.timeout, timeout);
        self
    }

    /// How requests are compressed. Default: not at all.
    ///
    /// ```
    /// # use telemetry_bootstrap::{Compression, Destination};
    /// let _ = Destination::otlp("https://otlp.example.com").compression(Compression::Gzip);
    /// ```
    pub fn compression(mut self, compression: Compression) -> Self {
        self.values.set(&OTLP_DESTINATION.compression, compression);
        self
    }

    /// The protocol. Default: [`Protocol::Auto`], which goes by the address.
    ///
    /// ```
    /// # use telemetry_bootstrap::{Destination, Protocol};
    /// let _ = Destination::otlp("https://otlp.example.com").protocol(Protocol::HttpProtobuf);
    /// ```
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.values.set(&OTLP_DESTINATION.protocol, protocol);
        self
    }

    /// The largest request, in bytes before compression; see
    /// [`Builder::max_request_size`](crate::Builder::max_request_size). Default: 64 MiB.
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// let _ = Destination::otlp("https://otlp.example.com").max_request_size(1_000_000);
    /// ```
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.values.set(&OTLP_DESTINATION.max_request_size, bytes);
        self
    }

    /// Whether sums and histograms are sent since the start or since the last collection; other destinations keep
    /// theirs. Has no effect on traces and logs.
    ///
    /// Each temporality that is used costs the memory and time of all instruments once more.
    ///
    /// Default: that of [`Metrics::temporality`](crate::Metrics::temporality).
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// use telemetry_bootstrap::opentelemetry_sdk::metrics::Temporality;
    ///
    /// let _ = Destination::otlp("https://otlp.example.com").temporality(Temporality::Delta);
    /// ```
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.values.set(&DESTINATION_TEMPORALITY, Some(temporality));
        self
    }

    /// The proxy; see [`Builder::proxy`](crate::Builder::proxy). Overridden by `HTTPS_PROXY`, `HTTP_PROXY` and
    /// `ALL_PROXY`, which concern the whole machine. Default: none.
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// let _ = Destination::otlp("https://otlp.example.com").proxy("http://proxy:3128");
    /// ```
    pub fn proxy(mut self, address: impl Into<String>) -> Self {
        self.values.set(&OTLP_DESTINATION.proxy, address.into());
        self
    }

    /// Adds a header whose value changes while the program runs; see [`HeaderSource`].
    ///
    /// ```
    /// # use telemetry_bootstrap::{Destination, HeaderSource};
    /// let token = HeaderSource::from_file("/var/run/secrets/otel/token").prefix("Bearer ");
    /// let _ = Destination::otlp("https://otlp.example.com").header_source("authorization", token);
    /// ```
    pub fn header_source(mut self, name: impl Into<String>, source: HeaderSource) -> Self {
        let header = (name.into(), source);
        self.values.update(&OTLP_DESTINATION.header_sources, |sources| sources.push(header));
        self
    }

    /// Signs each request; see [`Builder::request_signer`](crate::Builder::request_signer).
    ///
    /// ```
    /// # use telemetry_bootstrap::Destination;
    /// let _ = Destination::otlp("https://otlp.example.com").request_signer(|request| {
    ///     request.headers_mut().insert("x-signature", http::HeaderValue::from_static("signature"));
    ///     Ok::<_, std::io::Error>(())
    /// });
    /// ```
    pub fn request_signer<E>(
        mut self,
        sign: impl Fn(&mut http::Request<bytes::Bytes>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.values.set(&OTLP_DESTINATION.request_signer, Some(RequestSigner::new(sign)));
        self
    }

    /// PEM files of an `https` connection. Default: the system's root certificates.
    ///
    /// ```
    /// # use telemetry_bootstrap::{Destination, TlsSettings};
    /// let _ = Destination::otlp("https://otlp.example.com").tls(TlsSettings::new().certificate("/etc/otel/ca.pem"));
    /// ```
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        OTLP_DESTINATION.set_tls(&mut self.values, tls.files);
        self
    }
}

impl From<OtlpDestination> for Destination {
    fn from(destination: OtlpDestination) -> Self {
        Self { kind: DestinationKind::Otlp(destination.values) }
    }
}

/// An exporter that the environment can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExporterName {
    Otlp,
    OtlpStdout,
    OtlpFile,
    Console,
    /// Of metrics alone.
    Prometheus,
}

/// The name of the exporter for people, also in messages and statistics.
pub(super) const CONSOLE: &str = "console";
/// What some SDKs call it, or have called it.
pub(super) const LOGGING: &str = "logging";

/// `none` is a valid name and adds nothing.
pub(super) static NAMES: [(&str, &[ExporterName]); 7] = [
    ("otlp", &[ExporterName::Otlp]),
    ("otlp/stdout", &[ExporterName::OtlpStdout]),
    ("otlp_file", &[ExporterName::OtlpFile]),
    (CONSOLE, &[ExporterName::Console]),
    (LOGGING, &[ExporterName::Console]),
    ("none", &[]),
    // The last one, so that the other signals can leave it out.
    ("prometheus", &[ExporterName::Prometheus]),
];

settings! {
    /// The file of lines in JSON.
    OTLP_FILE: Option<PathBuf> =
        "destination.otlp_file", ["OTEL_RUST_EXPORTER_OTLP_FILE_PATH"], OUTPUT_FILE, None;
    /// The temporality of the metrics of one destination.
    DESTINATION_TEMPORALITY: Option<Temporality> = "destination.temporality", [], OWN_TEMPORALITY, None;
}

const OWN_TEMPORALITY: Kind<Option<Temporality>> = Kind {
    parse: |text| TEMPORALITY.read(text).map(Some),
    check: any,
    show: |temporality| temporality.as_ref().map_or_else(|| "that of metrics".to_owned(), TEMPORALITY.show),
    quote: plain,
};

const OUTPUT_FILE: Kind<Option<PathBuf>> = Kind {
    parse: |text| Ok(Some(text.into())),
    check: |file| match file {
        Some(path) => match open_to_append(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the file cannot be opened: {error}").into()),
        },
        None => Ok(()),
    },
    show: |file| match file {
        Some(path) => shown_path(path),
        None => "none".to_owned(),
    },
    quote: quoted_path,
};
