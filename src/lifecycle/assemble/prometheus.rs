//! Starts the exporter that Prometheus scrapes.
//!
//! The address is bound first, so that the handler can return it, and the server is started last, so that no scrape
//! comes before the handler can answer.

use crate::diagnostics::{Diagnostics, FieldValue};
use crate::error::InitError;
use crate::export::prometheus::{PrometheusHandler, Server};
use crate::provider::TelemetryMeterProvider;
use crate::settings::{PrometheusSettings, ServerAddress, Settings};

/// The running exporter. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Prometheus {
    /// Answers scrapes; handed out by the guard.
    pub(crate) handler: PrometheusHandler,
    /// The server of its own. `None` if the handler is mounted elsewhere, or if the address could not be bound.
    _server: Option<Server>,
}

impl Prometheus {
    /// Starts the exporter, if the settings have it. An address that cannot be used is a warning: the program goes on
    /// without its server.
    ///
    /// # Errors
    ///
    /// [`InitError::Thread`] if the system refuses one of the two threads.
    pub(super) fn start(
        settings: &Settings,
        meter: &TelemetryMeterProvider,
        diagnostics: &Diagnostics,
    ) -> Result<Option<Self>, InitError> {
        let (Some(PrometheusSettings { server, text }), Some(reader)) =
            (&settings.metrics.prometheus, meter.pull_reader())
        else {
            return Ok(None);
        };
        if settings.disabled {
            return Ok(None);
        }
        let listener = server.as_ref().and_then(|address| {
            Server::bind(&address.host, address.port).map_err(|error| warn(address, &error, diagnostics)).ok()
        });
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let reader = reader.clone();
        let collect = Box::new(move || reader.collect_request());
        let refused = |error: std::io::Error| {
            InitError::Thread(format!("the system refused one for the Prometheus exporter: {error}").into())
        };
        let handler =
            PrometheusHandler::start(collect, text.clone(), address, diagnostics.clone()).map_err(refused)?;
        let server = listener.map(|listener| Server::start(listener, handler.clone()));
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
            ("address", FieldValue::Text(&format_args!("{host}:{port}"))),
            ("setting", FieldValue::Text(origin)),
            ("error", FieldValue::Text(error)),
        ],
    );
}
