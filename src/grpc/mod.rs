//! Tower layers that trace and measure every gRPC call, in and out.

mod body;
mod call;
mod client;
mod environment;
mod future;
mod instruments;
mod messages;
mod metadata;
mod method;
mod options;
mod recorder;
mod server;
mod status;
mod target;

pub use body::ResponseBody;
pub use client::{ClientLayer, ClientService};
pub use future::ResponseFuture;
pub use method::InvalidDescriptorSet;
pub use options::{RemoteParent, RequestHead};
pub use server::{ServerLayer, ServerService};
pub use status::Code;
