//! The parts shared by the layers of both protocols and both sides: the service and settings.

/// Defines the service of a layer, and how the layer makes it.
///
/// The layer has `start`, which starts the call of a request unless it is not recorded; `record_not_ready`, which records
/// a service that failed before it accepted a request; and `record_abandoned`, which records a request whose caller left
/// before the service was ready.
macro_rules! layer_service {
    ($layer:ident of $side:expr, makes $(#[$docs:meta])* $service:ident) => {
        impl Default for $layer {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<S> Layer<S> for $layer {
            type Service = $service<S>;

            fn layer(&self, inner: S) -> Self::Service {
                $service { inner, layer: Arc::new(self.clone()), ready: ReadyTimer::default() }
            }
        }

        $(#[$docs])*
        #[derive(Clone, Debug)]
        pub struct $service<S> {
            inner: S,
            // A router clones its services for each request.
            layer: Arc<$layer>,
            ready: ReadyTimer,
        }

        impl<S> Drop for $service<S> {
            /// Records callers that disconnect while waiting for `poll_ready`.
            fn drop(&mut self) {
                if $side == Side::Server
                    && !self.ready.is_inner()
                    && let Some(waited) = self.ready.pending()
                {
                    self.layer.record_abandoned(waited);
                }
            }
        }

        impl<S, B, R> Service<Request<B>> for $service<S>
        where
            S: Service<Request<B>, Response = Response<R>>,
            S::Error: 'static,
            B: Body + 'static,
            R: Body,
            R::Error: 'static,
        {
            type Response = Response<ResponseBody<R>>;
            type Error = S::Error;
            type Future = ResponseFuture<S::Future>;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
                let poll = self.ready.observe($side, cx, |cx| self.inner.poll_ready(cx));
                if let Poll::Ready(Err(error)) = &poll
                    && !self.ready.is_inner()
                {
                    self.layer.record_not_ready(self.ready.take(), error);
                }
                poll
            }

            fn call(&mut self, mut request: Request<B>) -> Self::Future {
                let waited = self.ready.take();
                match self.layer.start(&mut request, waited) {
                    Some(mut call) => {
                        call.on_request_body(request.body());
                        ResponseFuture::start(call, || self.inner.call(request))
                    }
                    None => ResponseFuture::unrecorded(self.inner.call(request)),
                }
            }
        }
    };
}

/// The settings that both protocols have, with the module, what it calls a request, the prefix of its attributes, and the
/// variables that replace the lists of headers.
macro_rules! layer_settings {
    ($layer:ident of $module:literal, $call:literal, $prefix:literal, $request:literal, $response:literal) => {
        impl $layer {
            #[doc = "Sets the provider of spans. Default: the one that [`build`](crate::Builder::build) installed, or else"]
            #[doc = concat!("the global one at the time of the first ", $call, ".")]
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::", $module, "::", stringify!($layer), ";")]
            /// use telemetry_bootstrap::opentelemetry_sdk::trace::SdkTracerProvider;
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().tracer_provider(SdkTracerProvider::builder().build());")]
            /// # let _ = layer;
            /// ```
            pub fn tracer_provider(self, provider: SdkTracerProvider) -> Self {
                self.with(|options| options.tracer_provider = Some(provider))
            }

            #[doc = concat!("Sets the provider of metrics. Default: the global one at the time of the first ", $call, ".")]
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::", $module, "::", stringify!($layer), ";")]
            /// use telemetry_bootstrap::opentelemetry_sdk::metrics::SdkMeterProvider;
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().meter_provider(SdkMeterProvider::builder().build());")]
            /// # let _ = layer;
            /// ```
            pub fn meter_provider(self, provider: impl MeterProvider + Send + Sync + 'static) -> Self {
                self.with(|options| options.meter_provider = Some(SharedMeterProvider::new(provider)))
            }

            /// Adds attributes to the span when it starts; the sampler receives them. Not called if it is known
            /// beforehand that the span is not recorded.
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::", $module, "::", stringify!($layer), ";")]
            /// use telemetry_bootstrap::opentelemetry::KeyValue;
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().request_attributes(|head, attributes| {")]
            ///     attributes.push(KeyValue::new("is_retry", head.headers().contains_key("x-retry")));
            /// });
            /// # let _ = layer;
            /// ```
            pub fn request_attributes(
                self,
                attributes: impl Fn(&RequestHead<'_>, &mut Vec<KeyValue>) + Send + Sync + 'static,
            ) -> Self {
                let attributes = move |head: &RequestHead<'_>, out: &mut Vec<KeyValue>| {
                    catch_panic(|| attributes(head, out));
                };
                self.with(|options| options.request_attributes = Some(Arc::new(attributes)))
            }

            #[doc = concat!("Records these request headers as `", $prefix, ".request.header.<name>`: an array of strings, with")]
            /// values that are not text as base64, such as those of binary metadata. List nothing secret. Invalid header
            /// names are ignored and logged once.
            #[doc = concat!($request, " overrides the list.")]
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::", $module, "::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().capture_request_headers([\"x-tenant\"]);")]
            /// # let _ = layer;
            /// ```
            pub fn capture_request_headers<N: Into<String>>(
                self,
                names: impl IntoIterator<Item = N>,
            ) -> Self {
                self.with(|options| options.captured.request = names.into_iter().map(N::into).collect())
            }

            #[doc = concat!("Records these headers of the response as `", $prefix, ".response.header.<name>`: an array of")]
            /// strings.
            #[doc = concat!($response, " overrides the list.")]
            ///
            /// ```
            #[doc = concat!("use telemetry_bootstrap::", $module, "::", stringify!($layer), ";")]
            ///
            #[doc = concat!("let layer = ", stringify!($layer), "::new().capture_response_headers([\"x-cache\"]);")]
            /// # let _ = layer;
            /// ```
            pub fn capture_response_headers<N: Into<String>>(
                self,
                names: impl IntoIterator<Item = N>,
            ) -> Self {
                self.with(|options| options.captured.response = names.into_iter().map(N::into).collect())
            }
        }
    };
}

pub(super) use {layer_service, layer_settings};
