//! Setters of the exporters: where and how telemetry is sent, for all signals and for each of them.

use std::time::Duration;

use super::Builder;
use crate::settings::{self, Compression, Destination, HeaderSource, Protocol, RequestSigner, TlsSettings};

/// Where it is sent.
impl Builder {
    /// The collector that traces, metrics and logs are sent to.
    ///
    /// | form | meaning |
    /// |---|---|
    /// | `http://collector:4317` | plaintext |
    /// | `https://collector:4317` | TLS; needs the feature `tls` |
    /// | `collector:4317`, `collector`, `[::1]:4317` | plaintext; without a port, that of the protocol (4317, 4318) |
    /// | `http://collector:4318`, `https://gateway/otlp` | OTLP over HTTP, by the port or the path; `/v1/traces` and so on are appended |
    /// | `unix:/path`, `unix:///path` | plaintext over a Unix socket |
    ///
    /// The protocol is the one of [`protocol`](Self::protocol), or else the one that fits the endpoint: HTTP for port
    /// 4318 or a path (unless the port is 4317), and gRPC otherwise. If the collector turns out to speak the other one,
    /// that one is used.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_ENDPOINT` and its form for one signal. In a *variable* an address without a
    /// scheme means TLS, as the OpenTelemetry specification has it, unless `OTEL_EXPORTER_OTLP_INSECURE` is `true`;
    /// with `false` it means TLS in code too.
    ///
    /// Default: none, and nothing is exported until an endpoint is named or an exporter is turned on
    /// (`OTEL_TRACES_EXPORTER=otlp` and so on: then it is `http://localhost:4317`).
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().endpoint("http://otel-collector:4317");
    /// ```
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.config.common.values.set(&settings::OTLP.endpoint, endpoint.into());
        self
    }

    /// Adds a header to every export request, such as an access token. Values are never shown in messages.
    ///
    /// Overridden, all together, by `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,name=value`, percent-encoded) and its
    /// form for one signal. Default: none.
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

    /// Limit for one export of one batch. Zero: none. Connecting has a limit of its own, 5 seconds.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_TIMEOUT` (milliseconds) and its form for one signal. Default: 10 s.
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

    /// How requests are compressed.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_COMPRESSION` (`none`, `gzip`, `zstd`) and its form for one signal.
    /// Default: not at all.
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

    /// The protocol in which telemetry is sent.
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_PROTOCOL` (`grpc`, `http/protobuf`, `http/json`) and its form for one signal.
    /// Default: [`Protocol::Auto`], which goes by the endpoint.
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

    /// PEM files of `https` connections.
    ///
    /// Overridden, each file for itself, by `OTEL_EXPORTER_OTLP_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY` and
    /// `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and their forms for one signal. Default: the system's root certificates.
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

    /// Sends all signals to another destination as well. May be called several times.
    ///
    /// Replaced by `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER`, each for its signal.
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

    /// The largest request, in bytes before compression: batches are built to fit, and a request that is larger all the
    /// same is split. One item that does not fit alone is dropped and counted as failed.
    ///
    /// Overridden by `OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE` and its form for one signal. Default: 64 MiB.
    ///
    /// ```
    /// # let _ =
    /// telemetry_bootstrap::init().max_request_size(4_000_000);
    /// ```
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.config.common.values.set(&settings::OTLP.max_request_size, bytes);
        self
    }

    /// The proxy that connections go through: `http://host:port` or `http://user:password@host:port`; `https://` where
    /// connections to the proxy itself have TLS, `socks5://` where it speaks SOCKS5. TLS and gRPC go through
    /// a tunnel. Loopback addresses, `localhost` and the hosts in `NO_PROXY` are reached directly.
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

    /// Adds a header whose value changes while the program runs, such as a token that expires; see [`HeaderSource`].
    ///
    /// Overridden by `OTEL_EXPORTER_OTLP_HEADERS` and its form for one signal, where these set the same header.
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

    /// Signs each request, as AWS Signature Version 4 needs it. The signer sees method, URI, headers and body as they
    /// are sent; the headers that it sets are added, other changes are not sent.
    ///
    /// It runs on a helper thread. If it fails, panics or does not return within the timeout of an export (10 seconds
    /// at most), the export is tried again later. No variable overrides it. Default: none.
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

/// Where and how one signal is sent.
macro_rules! exporter_setters {
    ($options:ident, $exporter:ident, $otlp:ident, $signal:literal, $variables:literal) => {
        impl $options {
            #[doc = concat!("Turns the export of ", $signal, " on or off.")]
            ///
            #[doc = concat!("Overridden by `OTEL_", $variables, "_EXPORTER`: `otlp` or `none`. Default: on once an")]
            /// endpoint is named; when turned on without one, it is `http://localhost:4317`.
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

            #[doc = concat!("Where ", $signal, " are sent; see [`Builder::endpoint`](crate::Builder::endpoint).")]
            /// Over HTTP, a path is used as it is; nothing is appended.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_ENDPOINT`, then")]
            /// `OTEL_EXPORTER_OTLP_ENDPOINT`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.endpoint(\"http://collector:4317\"));")]
            /// ```
            pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
                self.config.values.set(&settings::$otlp.endpoint, endpoint.into());
                self
            }

            #[doc = concat!("Adds a header to the requests that carry ", $signal, ". If there is one here,")]
            /// those for all signals are not sent.
            ///
            #[doc = concat!("Overridden, all together, by `OTEL_EXPORTER_OTLP_", $variables, "_HEADERS`, then")]
            /// `OTEL_EXPORTER_OTLP_HEADERS`. Default: as for all signals.
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

            /// Limit for one export of one batch. Zero: none. Connecting has a limit of its own, 5 seconds.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_TIMEOUT`, then")]
            /// `OTEL_EXPORTER_OTLP_TIMEOUT` (milliseconds). Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.timeout(std::time::Duration::from_secs(5)));")]
            /// ```
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.config.values.set(&settings::$otlp.timeout, timeout);
                self
            }

            /// How requests are compressed.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_COMPRESSION`, then")]
            /// `OTEL_EXPORTER_OTLP_COMPRESSION`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.compression(telemetry_bootstrap::Compression::Gzip));")]
            /// ```
            pub fn compression(mut self, compression: Compression) -> Self {
                self.config.values.set(&settings::$otlp.compression, compression);
                self
            }

            #[doc = concat!("The protocol in which ", $signal, " are sent.")]
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_PROTOCOL`, then")]
            /// `OTEL_EXPORTER_OTLP_PROTOCOL`: `grpc`, `http/protobuf`, `http/json`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.protocol(telemetry_bootstrap::Protocol::HttpProtobuf));")]
            /// ```
            pub fn protocol(mut self, protocol: Protocol) -> Self {
                self.config.values.set(&settings::$otlp.protocol, protocol);
                self
            }

            /// PEM files of an `https` connection.
            ///
            #[doc = concat!("Overridden, each file for itself, by `OTEL_EXPORTER_OTLP_", $variables, "_CERTIFICATE`,")]
            /// `…_CLIENT_KEY` and `…_CLIENT_CERTIFICATE`, then by those for all signals. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.tls(telemetry_bootstrap::TlsSettings::new()));")]
            /// ```
            pub fn tls(mut self, tls: TlsSettings) -> Self {
                settings::$otlp.set_tls(&mut self.config.values, tls.files);
                self
            }

            #[doc = concat!("Sends ", $signal, " to another destination as well. May be called several times.")]
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

            #[doc = concat!("The largest request with ", $signal, ", in bytes before compression; see")]
            /// [`Builder::max_request_size`](crate::Builder::max_request_size).
            ///
            #[doc = concat!("Overridden by `OTEL_RUST_EXPORTER_OTLP_", $variables, "_MAX_REQUEST_SIZE`, then")]
            /// `OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.max_request_size(1_000_000));")]
            /// ```
            pub fn max_request_size(mut self, bytes: usize) -> Self {
                self.config.values.set(&settings::$otlp.max_request_size, bytes);
                self
            }

            #[doc = concat!("The proxy for ", $signal, "; see [`Builder::proxy`](crate::Builder::proxy).")]
            ///
            /// Overridden by `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`. Default: as for all signals.
            ///
            /// ```
            /// # let _ =
            #[doc = concat!("telemetry_bootstrap::init().", $signal, "(|signal| signal.proxy(\"http://proxy:3128\"));")]
            /// ```
            pub fn proxy(mut self, address: impl Into<String>) -> Self {
                self.config.values.set(&settings::$otlp.proxy, address.into());
                self
            }

            #[doc = concat!("Adds a header whose value changes to the requests that carry ", $signal, "; see")]
            /// [`HeaderSource`](crate::HeaderSource). If there is one here, those for all signals are not used.
            ///
            #[doc = concat!("Overridden by `OTEL_EXPORTER_OTLP_", $variables, "_HEADERS` and then")]
            /// `OTEL_EXPORTER_OTLP_HEADERS`, where these set the same header. Default: as for all signals.
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
            /// [`Builder::request_signer`](crate::Builder::request_signer). No variable overrides it. Default: as for
            /// all signals.
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
