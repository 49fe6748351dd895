//! The metrics of a request: the series that it counts in, and their attributes.
//!
//! A series is a set of attributes with its bound instruments. It is looked up by a key of numbers and addresses, so
//! a request on a known route makes no attributes. Requests that failed with an error of the service, and those to
//! more servers than a layer stores, are measured with attributes of their own.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;

use super::attributes::{TargetAddress, status_code, version_attribute};
use super::call::{Call, Outcome};
use super::series::{ErrorKey, Series, SeriesKey};
use crate::semconv;

/// Metric attributes of a request, without method and outcome.
pub(super) enum MetricTarget {
    /// The scheme of a server's request.
    Scheme(&'static str),
    /// The address of a client's server.
    Address(TargetAddress),
    /// The request is not known.
    Unknown,
}

impl Call {
    /// Counts the call as active, under what is known when it starts.
    pub(super) fn count_active(&self) -> Arc<Series> {
        let key = SeriesKey { method: self.method.key(), ..self.target_key().unwrap_or_default() };
        let attributes = || self.metric_attributes(false, None);
        let series = match self.target_key() {
            Some(_) => self.recorder.series.get(key, attributes),
            None => Arc::new(Series::new(attributes())),
        };
        self.recorder.instruments.add_active(1, &series);
        series
    }

    /// Records duration and sizes.
    pub(super) fn measure(
        &self,
        duration: Duration,
        outcome: &Outcome,
        error_type: Option<&Cow<'static, str>>,
    ) {
        let attributes = || self.metric_attributes(true, error_type);
        let series = match self.series_key(outcome, error_type.is_some()) {
            Some(key) => self.recorder.series.get(key, attributes),
            None => Arc::new(Series::new(attributes())),
        };
        if !self.is_stream {
            self.recorder.instruments.record_duration(duration, &series);
        }
        self.recorder.instruments.record_sizes(self.request_bytes, self.response_size(), &series);
    }

    /// The key of the request's series, or `None` if it is not stored: the types of errors are not known beforehand.
    fn series_key(&self, outcome: &Outcome, is_error: bool) -> Option<SeriesKey> {
        let error = match outcome {
            Outcome::Failed { .. } => return None,
            Outcome::Panicked => ErrorKey::Panic,
            Outcome::Complete | Outcome::Dropped if !is_error => ErrorKey::None,
            Outcome::Complete | Outcome::Dropped if self.is_error_status() => ErrorKey::Status,
            Outcome::Complete | Outcome::Dropped => ErrorKey::Cancelled,
        };
        Some(SeriesKey {
            method: self.method.key(),
            version: self.version.map_or(0, address_of),
            route: self.route.as_ref().map_or(0, |route| address_of(&route.pattern)),
            status: self.status.map_or(0, |status| status.as_u16()),
            error,
            ..self.target_key()?
        })
    }

    /// Returns the part of the key that is known at the start, or `None` for a target that is not stored.
    fn target_key(&self) -> Option<SeriesKey> {
        let target = match &self.target {
            MetricTarget::Scheme(scheme) => address_of(scheme),
            MetricTarget::Address(address) => address.key()?,
            MetricTarget::Unknown => 0,
        };
        Some(SeriesKey { target, ..SeriesKey::default() })
    }

    /// The attributes that the request is measured under, with or without those of its response.
    fn metric_attributes(
        &self,
        with_response: bool,
        error_type: Option<&Cow<'static, str>>,
    ) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(8);
        match &self.target {
            MetricTarget::Scheme(scheme) => attributes.push(KeyValue::new(semconv::URL_SCHEME, *scheme)),
            MetricTarget::Address(address) => address.push_attributes(&mut attributes),
            MetricTarget::Unknown => {}
        }
        attributes.push(KeyValue::new(semconv::HTTP_REQUEST_METHOD, self.method.value()));
        if !with_response {
            return attributes;
        }
        attributes.extend(self.version.map(version_attribute));
        attributes.extend(self.status.map(status_code));
        attributes.extend(
            self.route.as_ref().map(|route| KeyValue::new(semconv::HTTP_ROUTE, Arc::clone(&route.pattern))),
        );
        attributes
            .extend(error_type.map(|error_type| KeyValue::new(semconv::ERROR_TYPE, error_type.clone())));
        attributes
    }

    /// Bytes of the response's body; `None` if there is no response.
    pub(super) fn response_size(&self) -> Option<u64> {
        self.status.map(|_| self.response_bytes)
    }

    /// Returns `true` if the status is an error by the options of the layer.
    fn is_error_status(&self) -> bool {
        self.status.is_some_and(|status| (self.recorder.options.is_error)(status))
    }
}

/// The address of a text that a layer stores once.
fn address_of(text: &str) -> usize {
    text.as_ptr().addr()
}
