//! Starts the Prometheus exporter.
//!
//! The address is bound first, so that the handler and the start line can show its port. The server is started last,
//! so no scrape arrives before the handler can respond.

use std::net::TcpListener;

use crate::diagnostics::{Diagnostics, FieldValue};
use crate::error::InitError;
use crate::export::prometheus::{PrometheusHandler, Server};
use crate::provider::TelemetryMeterProvider;
use crate::settings::secrets::shown_host;
use crate::settings::{PrometheusSettings, ServerAddress, Settings};

/// The running exporter. Dropping it stops the exporter.
#[derive(Debug)]
pub(crate) struct Prometheus {
    /// Handles scrapes; returned by the guard.
    pub(crate) handler: PrometheusHandler,
    /// The built-in server. `None` if the handler is mounted elsewhere, or if the address could not be bound.
    _server: Option<Server>,
}

impl Prometheus {
    /// Binds the addresses of the exporter's server, if the settings have one, and replaces port 0 in the settings by
    /// the port in use. An address that cannot be used is a warning: the program continues without the server.
    pub(super) fn bind(settings: &mut Settings, diagnostics: &Diagnostics) -> Vec<TcpListener> {
        let is_disabled = settings.disabled;
        let Some(exporter) = settings.metrics.prometheus.as_mut().filter(|_| !is_disabled) else {
            return Vec::new();
        };
        let Some(address) = &mut exporter.server else { return Vec::new() };
        match Server::bind(&address.host, address.port) {
            Ok(listeners) => {
                let bound = listeners.first().and_then(|listener| listener.local_addr().ok());
                address.port = bound.map_or(address.port, |bound| bound.port());
                listeners
            }
            Err(error) => {
                warn(address, &error, diagnostics);
                exporter.server = None;
                Vec::new()
            }
        }
    }

    /// Starts the exporter if it is enabled. It runs its own server if there are `listeners`.
    ///
    /// # Errors
    ///
    /// [`InitError::Thread`] if one of the two threads cannot be spawned.
    pub(super) fn start(
        settings: &Settings,
        listeners: Vec<TcpListener>,
        meter: &TelemetryMeterProvider,
        diagnostics: &Diagnostics,
    ) -> Result<Option<Self>, InitError> {
        let (Some(PrometheusSettings { text, .. }), Some(reader)) =
            (&settings.metrics.prometheus, meter.pull_reader())
        else {
            return Ok(None);
        };
        if settings.disabled {
            return Ok(None);
        }
        let address = listeners.first().and_then(|listener| listener.local_addr().ok());
        let reader = reader.clone();
        let collect = Box::new(move || reader.collect_request());
        let refused = |error: std::io::Error| {
            InitError::Thread(format!("the system refused one for the Prometheus exporter: {error}").into())
        };
        let handler =
            PrometheusHandler::start(collect, text.clone(), address, diagnostics.clone()).map_err(refused)?;
        let server = (!listeners.is_empty()).then(|| Server::start(listeners, handler.clone()));
        Ok(Some(Self { handler, _server: server.transpose().map_err(refused)? }))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.handler.end();
    }
}

/// Warns that the address cannot be bound, with the setting it came from.
fn warn(address: &ServerAddress, error: &std::io::Error, diagnostics: &Diagnostics) {
    let ServerAddress { host, port, origin } = address;
    diagnostics.warn(
        "Prometheus cannot scrape this program: its address cannot be bound",
        &[
            ("address", FieldValue::Text(&format_args!("{}:{port}", shown_host(host)))),
            ("setting", FieldValue::Text(origin)),
            ("error", FieldValue::Text(error)),
        ],
    );
}
