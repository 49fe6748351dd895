//! The setters that the layers of both sides have. They change the [options](super::options).

/// The settings of both layers, which differ in the side alone.
macro_rules! common_settings {
    ($layer:ident) => {
        layer_settings!(
            $layer of "grpc",
            "call",
            "rpc",
            "`OTEL_RUST_GRPC_CAPTURE_SERVER_REQUEST_HEADERS` (`…_CLIENT_…`)",
            "`OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_HEADERS` (`…_CLIENT_…`)"
        );

        impl $layer {
            /// Records only the calls for whose method (`pkg.Service/Method`) `filter` returns `true`. The others pass
            /// untouched: no span, no measurement, no context. Default: all.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().filter(|method| !method.starts_with(\"grpc.health.v1.Health/\"));")]
            /// # let _ = layer;
            /// ```
            pub fn filter(self, filter: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
                let filter = move |method: &str| catch_panic(|| filter(method)).unwrap_or(true);
                self.with(|options| options.filter = Some(Arc::new(filter)))
            }

            /// Names the span, if one is to be recorded. Keep the number of names small. Default: the method,
            /// `pkg.Service/Method`.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().span_name(|head| format!(\"call {}\", head.method()));")]
            /// # let _ = layer;
            /// ```
            pub fn span_name(
                self,
                name: impl Fn(&RequestHead<'_>) -> String + Send + Sync + 'static,
            ) -> Self {
                let name = move |head: &RequestHead<'_>| catch_panic(|| name(head));
                self.with(|options| options.span_name = Some(Arc::new(name)))
            }

            /// Adds attributes to a recorded span from the response's headers, and from its trailers when
            /// they come: the closure is called for each.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            /// use telemetry_bootstrap::opentelemetry::KeyValue;
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().response_attributes(|headers, attributes| {")]
            ///     attributes.push(KeyValue::new("cached", headers.contains_key("x-cache")));
            /// });
            /// # let _ = layer;
            /// ```
            pub fn response_attributes(
                self,
                attributes: impl Fn(&HeaderMap, &mut Vec<KeyValue>) + Send + Sync + 'static,
            ) -> Self {
                let attributes = move |headers: &HeaderMap, out: &mut Vec<KeyValue>| {
                    catch_panic(|| attributes(headers, out));
                };
                self.with(|options| options.response_attributes = Some(Arc::new(attributes)))
            }

            /// Records these trailers of the response as `rpc.response.trailer.<name>`.
            /// `OTEL_RUST_GRPC_CAPTURE_SERVER_RESPONSE_TRAILERS` (`…_CLIENT_…`) overrides the list.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().capture_response_trailers([\"x-rows\"]);")]
            /// # let _ = layer;
            /// ```
            pub fn capture_response_trailers<N: Into<String>>(
                self,
                names: impl IntoIterator<Item = N>,
            ) -> Self {
                self.with(|options| options.captured.trailers = names.into_iter().map(N::into).collect())
            }

            /// Lists the methods (`pkg.Service/Method`) that have metrics of their own; all others count as `_OTHER`.
            /// May be called repeatedly. By default, a server learns a method when a handler first responds (earlier
            /// measurements use `_OTHER`), and a client when it calls the method, up to 1,000 methods.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().known_methods([\"shop.Orders/Place\", \"shop.Orders/Cancel\"]);")]
            /// # let _ = layer;
            /// ```
            pub fn known_methods<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
                self.with(|options| {
                    options.known_methods.get_or_insert_default().extend(names.into_iter().map(N::into));
                })
            }

            /// Lists the methods of an encoded `FileDescriptorSet`, such as the one that
            /// `tonic-prost-build` writes for reflection.
            ///
            /// # Errors
            ///
            /// Returns an error if the bytes are not an encoded `FileDescriptorSet`.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new()")]
            ///     .known_methods_from_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
            /// # let _ = layer;
            /// # Ok::<_, telemetry_bootstrap::grpc::DescriptorSetError>(())
            /// ```
            pub fn known_methods_from_descriptor_set(
                self,
                descriptor_set: &[u8],
            ) -> Result<Self, DescriptorSetError> {
                methods_of(descriptor_set).map(|names| self.known_methods(names))
            }

            /// Decides which status codes are errors: span status `Error` and `error.type`. Default: the
            /// conventions' rule for this side.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            /// use telemetry_bootstrap::GrpcCode;
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().is_error(|code| code == GrpcCode::Internal);")]
            /// # let _ = layer;
            /// ```
            pub fn is_error(self, is_error: impl Fn(GrpcCode) -> bool + Send + Sync + 'static) -> Self {
                self.with(|options| {
                    let before = Arc::clone(&options.is_error);
                    options.is_error = Arc::new(move |code| {
                        catch_panic(|| is_error(code)).unwrap_or_else(|| before(code))
                    });
                })
            }

            /// Reads the peer's address from the extensions: at a server of the request, at a client of the response.
            /// Default: what tonic's server attaches; a client has none.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            /// use std::net::SocketAddr;
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().peer_address(|extensions| extensions.get::<SocketAddr>().copied());")]
            /// # let _ = layer;
            /// ```
            pub fn peer_address(
                self,
                address: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
            ) -> Self {
                let address = move |extensions: &Extensions| catch_panic(|| address(extensions)).flatten();
                self.with(|options| options.peer_address = Some(Arc::new(address)))
            }

            /// Counts the calls that have not ended: `rpc.server.active_calls` or
            /// `rpc.client.active_calls`. Off by default.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().record_active_calls();")]
            /// # let _ = layer;
            /// ```
            pub fn record_active_calls(self) -> Self {
                self.with(|options| options.metrics.active = true)
            }

            /// Measures each complete message: `rpc.server.request.size` and `rpc.server.response.size`, or
            /// the client's, in bytes on the wire, and their sums on the span. Off by default, as the
            /// conventions dropped these metrics; on with the old conventions.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().record_message_sizes();")]
            /// # let _ = layer;
            /// ```
            pub fn record_message_sizes(self) -> Self {
                self.with(|options| options.metrics.sizes = true)
            }

            /// Counts the complete messages of each call: `rpc.server.requests_per_rpc` and
            /// `rpc.server.responses_per_rpc`, or the client's, and on the span. Off by default.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().record_message_counts();")]
            /// # let _ = layer;
            /// ```
            pub fn record_message_counts(self) -> Self {
                self.with(|options| options.metrics.counts = true)
            }

            /// Emits one `tracing` event of level INFO and target `grpc::access` when a call is finished,
            /// with method, status, duration, peer, messages and bytes. It belongs to the call's span. Off
            /// by default.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::grpc::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().record_access_log();")]
            /// # let _ = layer;
            /// ```
            pub fn record_access_log(self) -> Self {
                self.with(|options| options.access_log = true)
            }

            /// Changes the options. Setters go through it.
            fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
                self.0.change(change);
                self
            }

            /// Takes over what the HTTP layer that this one belongs to has been given.
            #[cfg(feature = "http")]
            pub(in crate::calls) fn inherit(self, outer: crate::calls::grpc::Inherited<'_>) -> Self {
                self.with(|options| options.inherit(outer))
            }

            /// Records a request that ends in `poll_ready`, after waiting for `waited`. Called by the service of the
            /// layer.
            fn record_not_ready<E: 'static>(&self, waited: Duration, error: &E) {
                self.0.record_not_ready(waited, error);
            }

            /// Records a request whose caller is gone after waiting for `waited` in `poll_ready`.
            fn record_abandoned(&self, waited: Duration) {
                self.0.record_abandoned(waited);
            }
        }
    };
}

pub(super) use common_settings;
