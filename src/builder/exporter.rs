//! Setters of the exporters: where and how telemetry is sent, for all signals and for each of them.

use std::time::Duration;

use super::Builder;
use crate::settings::{self, Compression, Destination, HeaderSource, Protocol, RequestSigner, TlsSettings};

/// Destination.
impl Builder {
    /// Sets the collector that traces, metrics and logs are sent to.
    ///
    /// | form | meaning |
    /// |---|---|
    /// | `http://collector:4317` | plaintext |
    /// | `https://collector:4317` | TLS; needs the feature `tls` |
    /// | `collector:4317`, `collector`, `[::1]:4317` | plaintext; the default port is that of the protocol (4317, 4318) |
    /// | `http://collector:4318`, `https://gateway/otlp` | OTLP over HTTP, selected by the port or the path; `/v1/traces` and so on are appended |
    /// | `unix:/path`, `unix:///path` | plaintext over a Unix socket |
    ///
    /// The protocol is set by [`protocol`](Self::protocol); by default it is derived from the endpoint: HTTP
    /// for port 4318 or a path (unless the port is 4317), and gRPC otherwise. If the collector turns out to
    /// speak the other protocol, that one is used.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_ENDPOINT` and its per-signal variants. In a *variable*, an address
    /// without a scheme means TLS, as the OpenTelemetry specification requires, unless
    /// `OTEL_EXPORTER_OTLP_INSECURE` is `true`; if that is `false`, it means TLS in code too.
    ///
    /// Default: none. Nothing is exported until an endpoint is set or an exporter is enabled
    /// (`OTEL_TRACES_EXPORTER=otlp` and so on; the endpoint is then `http://localhost:4317`).
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().endpoint("http://otel-collector:4317");
    /// ```
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.config.common.values.set(&settings::OTLP.endpoint, endpoint.into());
        self
    }

    /// Adds a header to every export request, such as an access token. The values are never shown in
    /// messages.
    ///
    /// Overridden, as a whole, by `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,name=value`, percent-encoded) and
    /// its per-signal variants. Default: none.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().header("x-tenant", "acme");
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into(), value.into());
        self.config.common.values.update(&settings::OTLP.headers, |headers| headers.push(header));
        self
    }

    /// Sets the timeout of one export request. Zero disables it. Connecting has a separate limit of 5
    /// seconds.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_TIMEOUT` (milliseconds) and its per-signal variants. Default: 10 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().timeout(Duration::from_secs(5));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.common.values.set(&settings::OTLP.timeout, timeout);
        self
    }

    /// Sets the compression of export requests.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_COMPRESSION` (`none`, `gzip`, `zstd`) and its per-signal variants.
    /// Default: none.
    ///
    /// ```
    /// use telemetry_bootstrap::Compression;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().compression(Compression::Gzip);
    /// ```
    pub fn compression(mut self, compression: Compression) -> Self {
        self.config.common.values.set(&settings::OTLP.compression, compression);
        self
    }

    /// Sets the export protocol.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_PROTOCOL` (`grpc`, `http/protobuf`, `http/json`) and its per-signal
    /// variants. Default: [`Protocol::Auto`], which derives the protocol from the endpoint.
    ///
    /// ```
    /// use telemetry_bootstrap::Protocol;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().endpoint("http://collector:4318").protocol(Protocol::HttpJson);
    /// ```
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.config.common.values.set(&settings::OTLP.protocol, protocol);
        self
    }

    /// Sets the PEM files for `https` connections.
    ///
    /// Each file is overridden individually by `OTEL_EXPORTER_OTLP_CERTIFICATE`,
    /// `OTEL_EXPORTER_OTLP_CLIENT_KEY` or `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, and by its per-signal
    /// variants. Default: the system's root certificates.
    ///
    /// ```
    /// use telemetry_bootstrap::TlsSettings;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init().tls(TlsSettings::new().certificate("/etc/otel/ca.pem"));
    /// ```
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        settings::OTLP.set_tls(&mut self.config.common.values, tls.files);
        self
    }

    /// Adds a destination that all signals are sent to as well. May be called several times.
    ///
    /// Replaced, for each signal, by `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` or `OTEL_LOGS_EXPORTER`.
    /// Default: none.
    ///
    /// ```
    /// use telemetry_bootstrap::Destination;
    ///
    /// # let _ =
    /// telemetry_bootstrap::init()
    ///     .endpoint("http://collector:4317")
    ///     .destination(Destination::otlp("https://otlp.example.com").header("x-token", "…"));
    /// ```
    pub fn destination(mut self, destination: impl Into<Destination>) -> Self {
        self.config.common.destinations.push(destination.into());
        self
    }

    /// Sets the maximum size of a request, in bytes before compression. Batches are built to fit; a request
    /// that still exceeds the limit is split. A single item that exceeds it is dropped and counted as failed.
    ///
    /// Overridden by `OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE` and its per-signal variants. Default: 64 MiB.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().max_request_size(4_000_000);
    /// ```
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.config.common.values.set(&settings::OTLP.max_request_size, bytes);
        self
    }

    /// Sets the proxy for connections: `http://host:port` or `http://user:password@host:port`, with
    /// `https://` if connections to the proxy itself use TLS, and `socks5://` for SOCKS5. TLS and gRPC go
    /// through a tunnel. Loopback addresses, `localhost` and the hosts in `NO_PROXY` are connected to
    /// directly.
    ///
    /// Overridden by `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`. Default: none.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().proxy("http://proxy:3128");
    /// ```
    pub fn proxy(mut self, address: impl Into<String>) -> Self {
        self.config.common.values.set(&settings::OTLP.proxy, address.into());
        self
    }

    /// Adds a header with a value that changes while the program runs, such as a token that expires; see
    /// [`HeaderSource`].
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_HEADERS` and its per-signal variants if they set the same header.
    /// Default: none.
    ///
    /// ```
    /// use telemetry_bootstrap::HeaderSource;
    ///
    /// let token = HeaderSource::from_file("/var/run/secrets/otel/token").prefix("Bearer ");
    /// # let _ =
    /// telemetry_bootstrap::init().header_source("authorization", token);
    /// ```
    pub fn header_source(mut self, name: impl Into<String>, source: HeaderSource) -> Self {
        let header = (name.into(), source);
        self.config.common.values.update(&settings::OTLP.header_sources, |sources| sources.push(header));
        self
    }

    /// Signs each request, as AWS Signature Version 4 requires. The signer receives the method, URI, headers
    /// and body as they will be sent. Headers that it sets are added; its other changes are ignored.
    ///
    /// It runs on a helper thread. If it fails, panics or exceeds the export timeout (at most 10 seconds),
    /// the export is retried later. There is no variable for it. Default: none.
    ///
    /// ```
    /// # fn signature(_body: &[u8]) -> Result<http::HeaderValue, std::io::Error> { Err(std::io::ErrorKind::Other.into()) }
    /// # let _ =
    /// telemetry_bootstrap::init().request_signer(|request| {
    ///     let signature = signature(request.body())?;
    ///     request.headers_mut().insert("x-signature", signature);
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
        let signer = RequestSigner::new(sign);
        self.config.common.values.set(&settings::OTLP.request_signer, Some(signer));
        self
    }
}

/// Generates the export settings of one signal.
macro_rules! exporter_setters {
    ($options:ident, $exporter:ident, $otlp:ident, $signal:literal, $variables:literal) => {
        impl $options {
            #[doc = concat!("Enables or disables the export of ", $signal, ".")]
            ///
            #[doc = concat!("Overridden by `OTEL_", $variables, "_EXPORTER`: `otlp` or `none`. Default: enabled if an")]
            /// endpoint is set. If it is enabled without one, the endpoint is `http://localhost:4317`.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.export(false));")]
            /// ```
            pub fn export(mut self, on: bool) -> Self {
                let exporters: &[_] = if on { &[settings::ExporterName::Otlp] } else { &[] };
                self.config.values.set(&settings::$exporter, exporters.into());
                self
            }

            #[doc = concat!("Sets the endpoint that ", $signal, " are sent to; see [`Builder::endpoint`](crate::Builder::endpoint).")]
            /// Over HTTP, the path is used as it is; nothing is appended.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_ENDPOINT`, then")]
            /// `OTEL_EXPORTER_OTLP_ENDPOINT`. Default: the endpoint for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.endpoint(\"http://collector:4317\"));")]
            /// ```
            pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
                self.config.values.set(&settings::$otlp.endpoint, endpoint.into());
                self
            }

            #[doc = concat!("Adds a header to the requests that carry ", $signal, ". If any header is set here,")]
            /// the headers for all signals are not sent.
            ///
            #[doc = concat!("Overridden, as a whole, by `OTEL_EXPORTER_OTLP_", $variables, "_HEADERS`, then")]
            /// `OTEL_EXPORTER_OTLP_HEADERS`. Default: the headers for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.header(\"x-tenant\", \"acme\"));")]
            /// ```
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                let header = (name.into(), value.into());
                self.config.values.update(&settings::$otlp.headers, |headers| headers.push(header));
                self
            }

            /// Sets the timeout of one export request. Zero disables it. Connecting has a separate limit of 5
            /// seconds.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_TIMEOUT`, then")]
            /// `OTEL_EXPORTER_OTLP_TIMEOUT` (milliseconds). Default: the timeout for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.timeout(std::time::Duration::from_secs(5)));")]
            /// ```
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.config.values.set(&settings::$otlp.timeout, timeout);
                self
            }

            /// Sets the compression of export requests.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_COMPRESSION`, then")]
            /// `OTEL_EXPORTER_OTLP_COMPRESSION`. Default: the compression for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.compression(telemetry_bootstrap::Compression::Gzip));")]
            /// ```
            pub fn compression(mut self, compression: Compression) -> Self {
                self.config.values.set(&settings::$otlp.compression, compression);
                self
            }

            #[doc = concat!("Sets the export protocol of ", $signal, ".")]
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_PROTOCOL`, then")]
            /// `OTEL_EXPORTER_OTLP_PROTOCOL`: `grpc`, `http/protobuf`, `http/json`. Default: the protocol for
            /// all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.protocol(telemetry_bootstrap::Protocol::HttpProtobuf));")]
            /// ```
            pub fn protocol(mut self, protocol: Protocol) -> Self {
                self.config.values.set(&settings::$otlp.protocol, protocol);
                self
            }

            /// Sets the PEM files for an `https` connection.
            ///
            #[doc = concat!("Each file is overridden individually by `OTEL_EXPORTER_OTLP_", $variables, "_CERTIFICATE`,")]
            /// `…_CLIENT_KEY` and `…_CLIENT_CERTIFICATE`, then by the variables for all signals. Default: the
            /// files for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.tls(telemetry_bootstrap::TlsSettings::new()));")]
            /// ```
            pub fn tls(mut self, tls: TlsSettings) -> Self {
                settings::$otlp.set_tls(&mut self.config.values, tls.files);
                self
            }

            #[doc = concat!("Adds a destination that ", $signal, " are sent to as well. May be called several times.")]
            ///
            #[doc = concat!("Replaced by `OTEL_", $variables, "_EXPORTER`. Default: none.")]
            ///
            /// ```
            /// use telemetry_bootstrap::Destination;
            ///
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| {")]
            ///     signal
            ///         .destination(Destination::otlp("http://collector:4317"))
            ///         .destination(Destination::otlp("https://otlp.example.com").header("x-token", "…"))
            /// });
            /// ```
            pub fn destination(mut self, destination: impl Into<Destination>) -> Self {
                self.config.destinations.push(destination.into());
                self
            }

            #[doc = concat!("Sets the maximum size of a request with ", $signal, ", in bytes before compression; see")]
            /// [`Builder::max_request_size`](crate::Builder::max_request_size).
            ///
            #[doc = concat!("Overridden by `OTEL_RUST_EXPORTER_OTLP_", $variables, "_MAX_REQUEST_SIZE`, then")]
            /// `OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE`. Default: the limit for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.max_request_size(1_000_000));")]
            /// ```
            pub fn max_request_size(mut self, bytes: usize) -> Self {
                self.config.values.set(&settings::$otlp.max_request_size, bytes);
                self
            }

            #[doc = concat!("Sets the proxy for ", $signal, "; see [`Builder::proxy`](crate::Builder::proxy).")]
            ///
            /// Overridden by `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`. Default: the proxy for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.proxy(\"http://proxy:3128\"));")]
            /// ```
            pub fn proxy(mut self, address: impl Into<String>) -> Self {
                self.config.values.set(&settings::$otlp.proxy, address.into());
                self
            }

            #[doc = concat!("Adds a header with a changing value to the requests that carry ", $signal, "; see")]
            /// [`HeaderSource`](crate::HeaderSource). If any source is set here, the sources for all signals
            /// are not used.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_HEADERS` and then")]
            /// `OTEL_EXPORTER_OTLP_HEADERS` if it sets the same header. Default: the sources for all signals.
            ///
            /// ```
            /// use telemetry_bootstrap::HeaderSource;
            ///
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| {")]
            ///     signal.header_source("authorization", HeaderSource::from_file("/var/run/secrets/otel/token"))
            /// });
            /// ```
            pub fn header_source(mut self, name: impl Into<String>, source: HeaderSource) -> Self {
                let header = (name.into(), source);
                self.config.values.update(&settings::$otlp.header_sources, |sources| sources.push(header));
                self
            }

            #[doc = concat!("Signs each request that carries ", $signal, "; see")]
            /// [`Builder::request_signer`](crate::Builder::request_signer). There is no variable for it.
            /// Default: the signer for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| {")]
            ///     signal.request_signer(|request| {
            ///         request.headers_mut().insert("x-signature", http::HeaderValue::from_static("signature"));
            ///         Ok::<_, std::io::Error>(())
            ///     })
            /// });
            /// ```
            pub fn request_signer<E>(
                mut self,
                sign: impl Fn(&mut http::Request<bytes::Bytes>) -> Result<(), E> + Send + Sync + 'static,
            ) -> Self
            where
                E: Into<Box<dyn std::error::Error + Send + Sync>>,
            {
                let signer = settings::RequestSigner::new(sign);
                self.config.values.set(&settings::$otlp.request_signer, Some(signer));
                self
            }
        }
    };
}

pub(super) use exporter_setters;
