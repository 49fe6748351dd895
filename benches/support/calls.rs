//! Both ends of a unary call, for the benches that measure its server.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "a program for people, each of which uses its part"
)]

use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};

use crate::proto::MyRequest;
use crate::proto::my_service_client::MyServiceClient;
use crate::support::load::{current_thread, make_calls};
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
        self.runtime.block_on(make_calls(calls, |number| call(stub.clone(), number, traceparent.clone())));
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
