//! Calls of all kinds, by a generator that makes the same ones in every run.

use std::time::Duration;

use tokio_stream::StreamExt;
use tonic::Request;

use super::{Ask, TestClient, ask, drain};

/// A small generator (xorshift). The seed is not zero.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Some call with some end.
pub async fn any_call<S>(mut client: TestClient<S>, random: &mut Random)
where
    S: tonic::client::GrpcService<tonic::body::Body>,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let end = ["ok", "hang", "5", "13", "panic"][random.next(5) as usize];
    let question = ask(random.next(20) as u32, end);
    match random.next(5) {
        0 => drop(client.unary(question).await),
        1 => drop(client.client_stream(tokio_stream::iter(vec![question; 3])).await),
        2 => drop(client.client_stream(tokio_stream::once(question).chain(tokio_stream::pending())).await),
        3 => server_stream_with_deadline(client, question, random.next(3000)).await,
        _ => {
            if let Ok(response) = client.bidi(tokio_stream::iter(vec![question; 2])).await {
                drop(drain(response.into_inner()).await);
            }
        }
    }
}

async fn server_stream_with_deadline<S>(mut client: TestClient<S>, question: Ask, microseconds: u64)
where
    S: tonic::client::GrpcService<tonic::body::Body>,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let mut request = Request::new(question);
    request.set_timeout(Duration::from_micros(microseconds));
    if let Ok(response) = client.server_stream_with(request).await {
        drop(drain(response.into_inner()).await);
    }
}
