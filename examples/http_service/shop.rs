//! The HTTP API: places orders, and reports their progress.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};
use telemetry_bootstrap::http::ServerLayer;
use telemetry_bootstrap::opentelemetry::metrics::{Counter, Histogram, Meter};
use telemetry_bootstrap::opentelemetry::{KeyValue, global};
use telemetry_bootstrap::{SpanExt as _, duration_histogram, record_error};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt as _};
use tracing::{Span, info, instrument};

use super::{payments, stock};

/// Serves the shop and the two services behind it until `shutdown` resolves, then lets requests in progress end.
pub(crate) async fn serve_all(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stock_listener = TcpListener::bind("127.0.0.1:0").await?;
    let payments_listener = TcpListener::bind("127.0.0.1:0").await?;
    let shop = Shop {
        stock: stock::Client::new(stock_listener.local_addr()?),
        payments: payments::connect(payments_listener.local_addr()?).map_err(io::Error::other)?,
        metrics: Metrics::new(&global::meter("shop")),
    };
    let (stop, stopped) = watch::channel(());
    let stock = tokio::spawn(stock::serve(stock_listener, closed(stopped.clone())));
    let payments = tokio::spawn(payments::serve(payments_listener, closed(stopped)));
    info!(address = %listener.local_addr()?, "serving");
    let shop = router(shop).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, shop).with_graceful_shutdown(shutdown).await?;
    // Only now, because open requests need the services behind.
    drop(stop);
    stock.await??;
    payments.await?
}

async fn closed(mut stopped: watch::Receiver<()>) {
    let _ = stopped.changed().await;
}

fn router(shop: Shop) -> Router {
    // Traces and measures every request, and tells the caller which trace to ask for.
    let layer = ServerLayer::new().trace_id_header(HeaderName::from_static("x-trace-id"));
    Router::new()
        .route("/orders/{item}", post(order))
        .route("/orders/{item}/progress", get(progress))
        .with_state(shop)
        .layer(layer)
}

#[derive(Clone, Debug)]
struct Shop {
    stock: stock::Client,
    payments: payments::Client,
    metrics: Metrics,
}

/// The shop's own instruments; those of the requests come from the layers.
#[derive(Clone, Debug)]
struct Metrics {
    orders: Counter<u64>,
    duration: Histogram<f64>,
}

impl Metrics {
    fn new(meter: &Meter) -> Self {
        Self {
            orders: meter
                .u64_counter("shop.orders")
                .with_description("Orders that were placed or refused")
                .with_unit("{order}")
                .build(),
            duration: duration_histogram(meter, "shop.order.duration")
                .with_description("Duration of placing an order")
                .build(),
        }
    }

    fn record(&self, start: Instant, placed: bool) {
        let outcome = [KeyValue::new("outcome", if placed { "placed" } else { "refused" })];
        self.orders.add(1, &outcome);
        self.duration.record(start.elapsed().as_secs_f64(), &outcome);
    }
}

async fn order(State(shop): State<Shop>, Path(item): Path<String>) -> Result<Json<Value>, OrderError> {
    let start = Instant::now();
    // The current span is the one of the request.
    Span::current().set_attribute("shop.item", item.clone());
    let placed = shop.place(&item).await;
    shop.metrics.record(start, placed.is_ok());
    let receipt = placed?;
    info!(shop.item = item, receipt, "order placed");
    Ok(Json(json!({ "item": item, "receipt": receipt })))
}

impl Shop {
    #[instrument(name = "place order", skip(self))]
    async fn place(&self, item: &str) -> Result<String, OrderError> {
        let price = self.stock.price(item).await.context("cannot ask the stock")?;
        let price = price.ok_or(OrderError::NotInStock)?;
        info!(price, "reserved");
        Ok(payments::pay(self.payments.clone(), item).await.context("cannot pay for the order")?)
    }
}

/// What is logged while the stream is read belongs to the request, too.
async fn progress(Path(item): Path<String>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let steps = tokio_stream::iter(["packed", "shipped", "delivered"]).throttle(Duration::from_millis(5));
    Sse::new(steps.map(move |step| {
        info!(shop.item = item, step, "progress");
        Ok(Event::default().data(step))
    }))
}

#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("the item is not in stock")]
    NotInStock,
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// A missing item is the caller's affair. A failure is ours: its causes are recorded here, once, and not sent.
impl IntoResponse for OrderError {
    fn into_response(self) -> Response {
        match self {
            Self::NotInStock => (StatusCode::NOT_FOUND, self.to_string()).into_response(),
            Self::Failed(error) => {
                record_error(error.as_ref());
                (StatusCode::BAD_GATEWAY, error.to_string()).into_response()
            }
        }
    }
}
