//! Instrumentation.
//!
//! The whole section is experimental in the schema. It configures instrumentation that exists in many languages; this
//! crate reads the keys of its own layers, for HTTP and gRPC.
//!
//! | key of `general` | here |
//! |---|---|
//! | `http.server`, `http.client` | captured headers and known methods of the layers for HTTP |
//! | `rpc.semconv` | which names the layers for gRPC use |
//! | `stability_opt_in_list` | the same, in the form of `OTEL_SEMCONV_STABILITY_OPT_IN` |
//! | `http.semconv`, `code.semconv` | a warning for everything but version 1 |
//! | `db`, `gen_ai`, `messaging` | a warning: this crate does not instrument them |
//! | `sanitization` | refused: the parameters that are hidden in URLs are fixed |
//!
//! The sections of other languages are read as mappings of any form and then ignored, since one file may configure
//! services in several languages.

use super::macros::object;
use super::values::{List, Located, Named, Unsigned};

object! {
    /// Settings of instrumentation, for all languages.
    Instrumentation = "ExperimentalInstrumentation", null refused {
        /// What applies here as well; the sections of languages but `rust` are for other programs.
        general: Option<General>,
        cpp: Option<Named>,
        dotnet: Option<Named>,
        erlang: Option<Named>,
        go: Option<Named>,
        java: Option<Named>,
        js: Option<Named>,
        php: Option<Named>,
        python: Option<Named>,
        ruby: Option<Named>,
        rust: Option<Named>,
        swift: Option<Named>,
    }
}

object! {
    /// What applies to all languages.
    General = "ExperimentalGeneralInstrumentation", null refused {
        /// Settings of the layers for HTTP.
        http: Option<Http>,
        /// The attributes with the place in the source code, such as `code.file.path`.
        code: Option<Code>,
        /// Has no effect: a warning if it has `semconv`.
        db: Option<Db>,
        /// Has no effect: a warning if it has `semconv`.
        gen_ai: Option<GenAi>,
        /// Has no effect: a warning if it has `semconv`.
        messaging: Option<Messaging>,
        /// Wins over the items of `stability_opt_in_list` for RPC.
        rpc: Option<Rpc>,
        /// Refused.
        sanitization: Option<Sanitization>,
        /// As `OTEL_SEMCONV_STABILITY_OPT_IN`: `http,rpc/dup`.
        ///
        /// Items for RPC are `rpc`, `rpc/dup` and `rpc/old`; the others are ignored with a warning, except `http` and
        /// `code`, whose stable names are emitted in any case.
        stability_opt_in_list: Option<Located<String>>,
    }
}

object! {
    /// HTTP calls.
    Http = "ExperimentalHttpInstrumentation", null refused {
        /// Only version 1 is emitted; anything else is a warning.
        semconv: Option<Semconv>,
        /// For requests that this program sends.
        client: Option<HttpClient>,
        /// For requests that this program answers.
        server: Option<HttpServer>,
    }
}

/// Declares the side of HTTP calls; the schema has one type for each, and both have the same keys.
macro_rules! http_sides {
    ($($(#[$doc:meta])* $name:ident = $schema:literal;)*) => {$(
        object! {
            $(#[$doc])*
            $name = $schema, null refused {
                /// Names of headers that become attributes of spans.
                ///
                /// Each becomes `http.request.header.<name>`. A pattern is a mistake. The counterpart of
                /// `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_…_REQUEST`.
                request_captured_headers: Option<List<String>>,
                /// Names of headers that become attributes of spans.
                ///
                /// Each becomes `http.response.header.<name>`. A pattern is a mistake. The counterpart of
                /// `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_…_RESPONSE`.
                response_captured_headers: Option<List<String>>,
                /// Methods that are recorded by name. An empty list is allowed.
                ///
                /// Any other method is recorded as `_OTHER`. The list replaces the default one and must be the same for
                /// servers and clients. The counterpart of `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`.
                known_methods: Option<List<String, 0>>,
            }
        }
    )*};
}

http_sides! {
    /// HTTP calls to others.
    HttpClient = "ExperimentalHttpClientInstrumentation";
    /// HTTP calls from others.
    HttpServer = "ExperimentalHttpServerInstrumentation";
}

/// Declares domains of the conventions of which only the version can be chosen.
macro_rules! domains {
    ($($(#[$doc:meta])* $name:ident = $schema:literal;)*) => {$(
        object! {
            $(#[$doc])*
            $name = $schema, null refused {
                /// The version of the conventions; what it changes depends on the domain.
                semconv: Option<Semconv>,
            }
        }
    )*};
}

domains! {
    /// Remote procedure calls.
    Rpc = "ExperimentalRpcInstrumentation";
    /// Source code attributes.
    Code = "ExperimentalCodeInstrumentation";
    /// Databases.
    Db = "ExperimentalDbInstrumentation";
    /// Generative AI: the conventions `gen_ai.*`.
    GenAi = "ExperimentalGenAiInstrumentation";
    /// Messages.
    Messaging = "ExperimentalMessagingInstrumentation";
}

object! {
    /// Which version of the conventions is followed.
    Semconv = "ExperimentalSemconvConfig", null refused {
        /// The major version of the conventions.
        ///
        /// For RPC, 0 stands for the names before the first stable version. Elsewhere, and above 1, it is a warning.
        version: Option<Located<Unsigned>>,
        /// Attributes in development as well. Default: `false`.
        ///
        /// `true` is a warning: they are not emitted.
        experimental: Option<Located<bool>>,
        /// The names of the version before as well. Default: `false`.
        ///
        /// Has an effect for RPC alone.
        dual_emit: Option<Located<bool>>,
    }
}

object! {
    /// What is kept out of telemetry.
    Sanitization = "ExperimentalSanitization", null refused {
        /// Query parameters that are hidden.
        url: Option<UrlSanitization>,
    }
}

object! {
    /// What is kept out of URLs.
    UrlSanitization = "ExperimentalUrlSanitization", null refused {
        /// The names of the parameters whose values are replaced by `REDACTED`.
        sensitive_query_parameters: Option<List<String, 0>>,
    }
}
