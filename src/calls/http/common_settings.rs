//! The setters that the layers of both sides have. They change the [options](super::options).

/// The setters that both layers have.
macro_rules! common_settings {
    ($layer:ident) => {
        layer_settings!(
            $layer of "http",
            "request",
            "http",
            "`OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST` (`…_CLIENT_REQUEST`)",
            "`OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE` (`…_CLIENT_RESPONSE`)"
        );

        impl $layer {
            #[doc = concat!("Records only the requests for which `filter` returns `true`. The others pass untouched:")]
            /// no span, no measurement, no context. Default: all.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::http::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().filter(|head| head.uri().path() != \"/healthz\");")]
            /// # let _ = layer;
            /// ```
            pub fn filter(self, filter: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
                let filter = move |head: &RequestHead<'_>| catch_panic(|| filter(head)).unwrap_or(true);
                self.with(|options| options.filter = Some(Arc::new(filter)))
            }

            /// Names spans. Keep the number of names small. If the closure returns `None`, the span has its default
            /// name: `{method} {route}`, or `{method}` if there is no route. Called for recorded spans only.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::http::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().span_name(|head| {")]
            ///     head.uri().path().starts_with("/static/").then(|| format!("{} static file", head.method()))
            /// });
            /// # let _ = layer;
            /// ```
            pub fn span_name(
                self,
                name: impl Fn(&RequestHead<'_>) -> Option<String> + Send + Sync + 'static,
            ) -> Self {
                let name = move |head: &RequestHead<'_>| catch_panic(|| name(head)).flatten();
                self.with(|options| options.span_name = Some(Arc::new(name)))
            }

            /// Adds attributes to a recorded span from the head of the response.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::http::", stringify!($layer), ";")]
            /// use telemetry_bootstrap::opentelemetry::KeyValue;
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().response_attributes(|_status, headers, attributes| {")]
            ///     attributes.push(KeyValue::new("cached", headers.contains_key("age")));
            /// });
            /// # let _ = layer;
            /// ```
            pub fn response_attributes(
                self,
                attributes: impl Fn(StatusCode, &HeaderMap, &mut Vec<KeyValue>) + Send + Sync + 'static,
            ) -> Self {
                let attributes = move |status, headers: &HeaderMap, out: &mut Vec<KeyValue>| {
                    catch_panic(|| attributes(status, headers, out));
                };
                self.with(|options| options.response_attributes = Some(Arc::new(attributes)))
            }

            /// Lists the methods that are reported by their name; all others are `_OTHER`. Case-sensitive. Replaces
            /// the default list: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY, TRACE.
            /// `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` overrides it.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::http::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().known_methods([\"GET\", \"PUT\", \"PROPFIND\"]);")]
            /// # let _ = layer;
            /// ```
            pub fn known_methods<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
                self.with(|options| options.known_methods = Some(names.into_iter().map(N::into).collect()))
            }

            /// Decides which status codes are errors: span status `Error` and `error.type`. Default: 5xx at a server,
            /// 4xx and 5xx at a client, and the codes above, which HTTP does not define.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::http::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().is_error(|status| status.as_u16() >= 500);")]
            /// # let _ = layer;
            /// ```
            pub fn is_error(self, is_error: impl Fn(StatusCode) -> bool + Send + Sync + 'static) -> Self {
                self.with(|options| {
                    let before = Arc::clone(&options.is_error);
                    options.is_error = Arc::new(move |status| {
                        catch_panic(|| is_error(status)).unwrap_or_else(|| before(status))
                    });
                })
            }

            /// Counts the requests that are not finished: `http.server.active_requests` or
            /// `http.client.active_requests`. Off by default.
            ///
            /// ```
            #[doc = concat!("let layer = telemetry_bootstrap::http::", stringify!($layer), "::new().record_active_requests();")]
            /// # let _ = layer;
            /// ```
            pub fn record_active_requests(self) -> Self {
                self.with(|options| options.active_requests = true)
            }

            /// Measures bodies in bytes: `http.server.request.body.size` (from `Content-Length`, or else the length that
            /// the body itself reports) and `http.server.response.body.size` (as sent), or the client's, and on the span.
            /// A request of unknown length is not measured. Off by default.
            ///
            /// ```
            #[doc = concat!("let layer = telemetry_bootstrap::http::", stringify!($layer), "::new().record_body_sizes();")]
            /// # let _ = layer;
            /// ```
            pub fn record_body_sizes(self) -> Self {
                self.with(|options| options.body_sizes = true)
            }

            /// Excludes event streams (`text/event-stream`) from the duration metric. Their spans still last until
            /// the stream ends. Off by default.
            ///
            /// ```
            #[doc = concat!("let layer = telemetry_bootstrap::http::", stringify!($layer), "::new().exclude_streams_from_duration();")]
            /// # let _ = layer;
            /// ```
            pub fn exclude_streams_from_duration(self) -> Self {
                self.with(|options| options.without_streams = true)
            }

            /// Emits one `tracing` event of level INFO and target `http::access` when a request is finished, with
            /// method, route, status, duration and response bytes. It belongs to the span of the request. Off by
            /// default.
            ///
            /// ```
            #[doc = concat!("let layer = telemetry_bootstrap::http::", stringify!($layer), "::new().record_access_log();")]
            /// # let _ = layer;
            /// ```
            pub fn record_access_log(self) -> Self {
                self.with(|options| options.access_log = true)
            }

            /// Changes the options, and hands those on to the layer for gRPC requests that it has as well.
            fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
                self.recorder.change(change);
                #[cfg(feature = "grpc")]
                {
                    self.grpc = self.grpc.inherit(self.recorder.options().for_grpc());
                }
                self
            }

            /// Records a request that ends in `poll_ready`, after waiting for `waited`. Called by the service of the
            /// layer.
            fn record_not_ready<E: 'static>(&self, waited: Duration, error: &E) {
                self.recorder.record_not_ready(waited, error);
            }

            /// Records a request whose caller is gone after waiting for `waited` in `poll_ready`.
            fn record_abandoned(&self, waited: Duration) {
                self.recorder.record_abandoned(waited);
            }
        }
    };
}

pub(super) use common_settings;
