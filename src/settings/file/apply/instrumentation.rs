//! Instrumentation: what the layers for calls read.
//!
//! The layers for calls are built by the program, after telemetry was started and often far from it. So what the file
//! says about them is kept as an [`Env`] with the variables that they would otherwise read from the process: they need
//! to know of no file.
//!
//! | in the file | variable |
//! |---|---|
//! | `general.http.{server,client}.known_methods` | one for both sides |
//! | `general.http.….{request,response}_captured_headers` | one for each |
//! | `general.rpc.semconv`, `general.stability_opt_in_list` | the conventions of RPC |
//! | `distribution.….grpc.…` | captured metadata of gRPC |
//!
//! # Variables that stand for the keys
//!
//! | key | variable |
//! |---|---|
//! | `http.server.request_captured_headers` | `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST` |
//! | `http.server.response_captured_headers` | `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE` |
//! | `http.client.request_captured_headers` | `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST` |
//! | `http.client.response_captured_headers` | `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE` |
//! | `http.{server,client}.known_methods` | `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` |
//! | `rpc.semconv`, `stability_opt_in_list` | `OTEL_SEMCONV_STABILITY_OPT_IN` |
//!
//! # Conventions of RPC
//!
//! | `version` | `dual_emit: true` | otherwise |
//! |---|---|---|
//! | absent, 1 | both (`rpc/dup`) | the stable names (`rpc`) |
//! | 0 | both (`rpc/dup`) | the names before (`rpc/old`) |
//! | 2 and above | the stable names, with a warning | the stable names, with a warning |

use http::HeaderName;

use super::Apply;
use crate::settings::conventions::{RPC_CONVENTIONS, rpc_conventions};
use crate::settings::env::{Env, items, names};
use crate::settings::file::model::{At, General, Http, List, Located, Raw, Semconv};
use crate::settings::file::report::Path;
use crate::settings::secrets::quoted;

impl Apply<'_> {
    /// Returns what the layers read in place of the environment.
    ///
    /// Names below `rust` are warnings: no instrumentation of this crate has options of its own there. The sections of
    /// other languages are not read.
    pub(super) fn layers(&mut self) -> Env {
        let mut env = Env::none();
        #[cfg(feature = "grpc")]
        self.grpc_captures(&mut env);
        let Some(instrumentation) = &self.document.instrumentation else { return env };
        for (name, Raw(node)) in instrumentation.rust.iter().flat_map(|named| &named.0) {
            let mut path = Path::default();
            path.push_key("instrumentation/development");
            path.push_key("rust");
            path.push_key(name);
            self.warn(&At { position: node.at, path }, "has no effect: no instrumentation has a name here");
        }
        let Some(general) = &instrumentation.general else { return env };
        self.conventions(&mut env, general);
        if let Some(http) = &general.http {
            self.http(&mut env, http);
        }
        if let Some(sanitization) = &general.sanitization {
            self.unsupported(&sanitization.at, "the parameters of URLs that are hidden cannot be changed");
        }
        env
    }

    /// Chooses the conventions of RPC, the only domain with a choice, and warns where the file expects another version
    /// than the one that is emitted, or a domain that this crate does not instrument.
    ///
    /// `http` and `code` are emitted in version 1 alone. `db`, `gen_ai` and `messaging` are not instrumented.
    fn conventions(&mut self, env: &mut Env, general: &General) {
        let General { http, code, db, gen_ai, messaging, rpc, .. } = general;
        let semconv = |given: Option<&Option<Semconv>>| given.and_then(|semconv| semconv.clone());
        let emitted = [
            semconv(http.as_ref().map(|http| &http.semconv)),
            semconv(code.as_ref().map(|code| &code.semconv)),
        ];
        for semconv in emitted.into_iter().flatten() {
            self.only_stable(&semconv);
        }
        let absent = [
            (semconv(db.as_ref().map(|db| &db.semconv)), "databases"),
            (semconv(gen_ai.as_ref().map(|gen_ai| &gen_ai.semconv)), "generative AI"),
            (semconv(messaging.as_ref().map(|messaging| &messaging.semconv)), "messaging"),
        ];
        for (semconv, what) in absent {
            if let Some(Semconv { at, .. }) = semconv {
                self.warn(&at, format!("has no effect: telemetry-bootstrap does not instrument {what}"));
            }
        }
        let rpc = rpc.as_ref().and_then(|rpc| rpc.semconv.as_ref());
        if let Some(rpc) = rpc {
            self.rpc(env, rpc);
        }
        if let Some(list) = &general.stability_opt_in_list {
            self.opt_in_list(env, list, rpc.is_some());
        }
    }

    /// Reads the list of domains that opt in. What is given for RPC alone wins over it, as the schema demands.
    ///
    /// `has_rpc` is `true` if the file has `rpc.semconv`. Items that have no effect are a warning, as one file may
    /// serve services in several languages.
    fn opt_in_list(&mut self, env: &mut Env, list: &Located<String>, has_rpc: bool) {
        let (rpc, others): (Vec<_>, Vec<_>) =
            items(&list.value).partition(|item| item.to_ascii_lowercase().starts_with("rpc"));
        if !has_rpc {
            env.set(RPC_CONVENTIONS.key(), rpc.join(","));
            let mut unknown = Vec::new();
            rpc_conventions(env, &mut unknown);
            if !unknown.is_empty() {
                let rpc = quoted(&rpc.join(","));
                self.warn(&list.at, format!("of {rpc} only rpc, rpc/dup and rpc/old have an effect"));
            }
        }
        // The stable conventions are those that are emitted.
        let others: Vec<_> = others.into_iter().filter(|item| !["http", "code"].contains(item)).collect();
        if !others.is_empty() {
            let others = quoted(&others.join(","));
            self.warn(&list.at, format!("{others} has no effect: only the conventions of RPC can be chosen"));
        }
    }

    /// Chooses the conventions of RPC by version: 1 is the stable one, 0 stands for the names before it, which had no
    /// version.
    ///
    /// A version above 1 is a warning, and the stable names are used.
    fn rpc(&mut self, env: &mut Env, semconv: &Semconv) {
        let Semconv { version, experimental, dual_emit, .. } = semconv;
        let is_dual = dual_emit.as_ref().is_some_and(|dual_emit| dual_emit.value);
        let chosen = match (version.as_ref().map(|version| version.value.unsigned()), is_dual) {
            (Some(0 | 1) | None, true) => "rpc/dup",
            (Some(0), false) => "rpc/old",
            _ => "rpc",
        };
        env.set(RPC_CONVENTIONS.key(), chosen.to_owned());
        if let Some(version) = version.as_ref().filter(|version| version.value.unsigned() > 1) {
            self.warn(&version.at, "has no effect: versions 0 and 1 can be chosen, and 1 is used");
        }
        self.no_experimental(experimental.as_ref());
    }

    /// Warns of everything but version 1 of the conventions.
    fn only_stable(&mut self, semconv: &Semconv) {
        let Semconv { version, experimental, dual_emit, .. } = semconv;
        if let Some(version) = version.as_ref().filter(|version| version.value.unsigned() != 1) {
            self.warn(&version.at, "has no effect: version 1 is the only one that is emitted");
        }
        if let Some(dual_emit) = dual_emit.as_ref().filter(|dual_emit| dual_emit.value) {
            self.warn(&dual_emit.at, "has no effect: names from before version 1 are not emitted");
        }
        self.no_experimental(experimental.as_ref());
    }

    /// Warns if conventions in development are requested.
    fn no_experimental(&mut self, experimental: Option<&Located<bool>>) {
        if let Some(experimental) = experimental.filter(|experimental| experimental.value) {
            self.warn(&experimental.at, "has no effect: conventions in development are not emitted");
        }
    }

    /// Hands on methods and captured headers. Both sides share the known methods, so that different ones are a mistake.
    ///
    /// The keys are those of `http.server` and `http.client`. A list of methods on one side counts for both.
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

    /// Hands on the captured metadata of gRPC, for which the standard has no place: it is under `distribution`.
    ///
    /// The names of the headers are checked here, since the settings take any text.
    #[cfg(feature = "grpc")]
    fn grpc_captures(&mut self, env: &mut Env) {
        for variable in names::GRPC_CAPTURES {
            let Some((list, at)) =
                self.values.get(variable).map(|value| (value.text.clone(), value.at.clone()))
            else {
                continue;
            };
            let headers = List(items(&list).map(str::to_owned).collect());
            self.captured(env, variable, Some(&headers), &at);
        }
    }

    /// Hands on the names of headers. A pattern, or what is no name of a header, is a mistake.
    ///
    /// `variable` is the one that the layer reads, and `at` the place of a mistake. Without `headers` nothing is set.
    fn captured(&mut self, env: &mut Env, variable: &str, headers: Option<&List<String>>, at: &At) {
        let Some(List(headers)) = headers else { return };
        for header in headers
            .iter()
            .filter(|header| HeaderName::try_from(header.as_str()).is_err() || header.contains('*'))
        {
            self.mistake(at, format!("{} is not the name of a header", quoted(header)));
        }
        env.set(variable, headers.join(","));
    }
}
