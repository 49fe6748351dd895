//! Instrumentation: what the layers for calls read.

use http::HeaderName;

use super::Apply;
use crate::settings::conventions::RPC_CONVENTIONS;
use crate::settings::env::{Env, names};
use crate::settings::file::model::{At, Http, List, Semconv};
use crate::settings::secrets::quoted;

impl Apply<'_> {
    /// Returns what the layers read in place of the environment.
    pub(super) fn layers(&mut self) -> Env {
        let mut env = Env::none();
        let instrumentation = self.document.instrumentation.as_ref();
        let Some(general) = instrumentation.and_then(|instrumentation| instrumentation.general.as_ref())
        else {
            return env;
        };
        let listed = general.stability_opt_in_list.as_ref().map(|list| list.value.as_str());
        let rpc = general.rpc.as_ref().and_then(|rpc| rpc.semconv.as_ref()).and_then(rpc_opt_in);
        let opt_in: Vec<_> = listed.into_iter().chain(rpc).collect();
        env.set(RPC_CONVENTIONS.key(), opt_in.join(","));
        if let Some(http) = &general.http {
            self.http(&mut env, http);
        }
        if let Some(sanitization) = &general.sanitization {
            self.unsupported(&sanitization.at, "the parameters of URLs that are hidden cannot be changed");
        }
        env
    }

    fn http(&mut self, env: &mut Env, Http { server, client, .. }: &Http) {
        let methods = [
            server.as_ref().and_then(|server| server.known_methods.as_ref()),
            client.as_ref().and_then(|client| client.known_methods.as_ref()),
        ];
        if let [Some(of_servers), Some(of_clients)] = methods
            && let Some(client) = client
            && of_servers != of_clients
        {
            self.unsupported(&client.at, "`known_methods` that differ from those of servers");
        }
        if let Some(methods) = methods.into_iter().flatten().next() {
            env.set(names::HTTP_KNOWN_METHODS, methods.0.join(","));
        }
        let [server_request, server_response, client_request, client_response] = names::HTTP_CAPTURES;
        if let Some(server) = server {
            self.captured(env, server_request, server.request_captured_headers.as_ref(), &server.at);
            self.captured(env, server_response, server.response_captured_headers.as_ref(), &server.at);
        }
        if let Some(client) = client {
            self.captured(env, client_request, client.request_captured_headers.as_ref(), &client.at);
            self.captured(env, client_response, client.response_captured_headers.as_ref(), &client.at);
        }
    }

    fn captured(&mut self, env: &mut Env, variable: &str, headers: Option<&List<String>>, at: &At) {
        let Some(List(headers)) = headers else { return };
        for header in headers.iter().filter(|header| HeaderName::try_from(header.as_str()).is_err()) {
            self.mistake(at, format!("{} is not the name of a header", quoted(header)));
        }
        env.set(variable, headers.join(","));
    }
}

/// Version 1 is the stable one. Before it there was one that had no version.
fn rpc_opt_in(semconv: &Semconv) -> Option<&'static str> {
    let version = semconv.version.map(|version| version.unsigned());
    match (version, semconv.dual_emit.unwrap_or_default()) {
        (_, true) => Some("rpc/dup"),
        (Some(0), false) => Some("rpc/old"),
        _ => None,
    }
}
