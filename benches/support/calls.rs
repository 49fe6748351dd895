//! Both ends of a unary call, for the benches that measure its server.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "a program for people, each of which uses its part"
)]

use std::thread;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};

use crate::proto::MyRequest;
use crate::proto::my_service_client::MyServiceClient;
use crate::support::{Side, Work};

/// Calls a server.
pub(crate) struct Client {
    server: Side,
    runtime: Runtime,
    stub: MyServiceClient<Channel>,
    traceparent: MetadataValue<Ascii>,
}

impl Client {
    pub(crate) fn of(mut server: Side, traceparent: &'static str) -> Self {
        let (_, port) = server.work(0);
        let runtime = current_thread();
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
        let channel = {
            let _inside = runtime.enter();
            endpoint.tcp_nodelay(true).connect_lazy()
        };
        let traceparent = MetadataValue::from_static(traceparent);
        Self { server, runtime, stub: MyServiceClient::new(channel), traceparent }
    }

    /// Processor time that the server takes for so many calls, a few at once.
    pub(crate) fn cpu(&mut self, calls: u64) -> Duration {
        self.server.cpu(0);
        let Self { stub, traceparent, .. } = &*self;
        self.runtime.block_on(async {
            let mut at_once = FuturesUnordered::new();
            for number in 0..calls {
                if at_once.len() == AT_ONCE {
                    at_once.next().await;
                }
                at_once.push(call(stub.clone(), number, traceparent.clone()));
            }
            while at_once.next().await.is_some() {}
        });
        self.server.cpu(0)
    }
}

async fn call(mut stub: MyServiceClient<Channel>, number: u64, traceparent: MetadataValue<Ascii>) {
    let mut request = Request::new(MyRequest { id: number.to_string() });
    request.metadata_mut().insert("traceparent", traceparent);
    stub.process_request(request).await.expect("a live server");
}

/// Serves on a thread of its own, and answers orders with the port. Whoever asks waits for what was recorded to leave.
pub(crate) fn serve<F>(
    serving: impl FnOnce(TcpIncoming) -> F + Send + 'static,
    flush: impl Fn() + 'static,
) -> Work
where
    F: Future<Output = Result<(), tonic::transport::Error>>,
{
    let runtime = current_thread();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        runtime.block_on(serving(TcpIncoming::from(listener).with_nodelay(Some(true)))).expect("it serves");
    });
    Box::new(move |_| {
        flush();
        port.into()
    })
}

/// One thread serves: there is least noise then, and the call without telemetry is cheapest.
fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The caller's context, when the caller has sampled the call.
pub(crate) const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// And when it has not.
pub(crate) const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
/// Calls that are measured together.
pub(crate) const TURN: u64 = 2_000;
/// Calls on their way at once, as one busy client has them.
const AT_ONCE: usize = 16;
