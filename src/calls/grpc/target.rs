//! The address in a gRPC target.

use http::uri::Authority;

use crate::calls::address::Address;

impl Address {
    /// Parses a gRPC target: `host:port`, `dns:///host:port`, `dns://resolver/host:port`, `unix:path`,
    /// `unix:///path`, or a URI as tonic takes it, `http://host:port`. A target of another scheme (`ipv4:`
    /// with several addresses, a name of a name service) is an address as a whole, as the conventions say.
    pub(in crate::calls) fn from_target(target: &str) -> Self {
        match target.split_once(':') {
            Some(("dns", rest)) => Self::from_endpoint(after_authority(rest)),
            Some(("unix", rest)) => Self::verbatim(unix_path(rest)),
            Some(("http" | "https", rest)) => Self::from_endpoint(until_path(rest.trim_start_matches('/'))),
            Some((scheme, _)) if target.contains("://") || RESOLVERS.contains(&scheme) => {
                Self::verbatim(target)
            }
            _ => Self::from_endpoint(target),
        }
    }

    /// Parses `host:port`. What is no authority of a URI becomes the address as a whole.
    fn from_endpoint(endpoint: &str) -> Self {
        match endpoint.parse::<Authority>() {
            Ok(authority) => Self::from_authority(&authority),
            Err(_) => Self::verbatim(endpoint),
        }
    }

    /// Takes a text as the address, without a port.
    fn verbatim(target: &str) -> Self {
        Self { host: target.into(), port: None }
    }
}

/// Schemes of gRPC's name resolution that are written without `//`.
const RESOLVERS: [&str; 5] = ["ipv4", "ipv6", "vsock", "unix-abstract", "xds"];

/// `//resolver/endpoint`, `///endpoint` and `endpoint` name the same endpoint.
fn after_authority(rest: &str) -> &str {
    match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, endpoint)| endpoint),
        None => rest,
    }
}

/// `unix:path`, `unix:/path` and `unix:///path`.
fn unix_path(rest: &str) -> &str {
    rest.strip_prefix("//").unwrap_or(rest)
}

/// Returns the authority of a URI without its scheme.
fn until_path(rest: &str) -> &str {
    rest.split_once('/').map_or(rest, |(authority, _)| authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parses(target: &str, host: &str, port: Option<u16>) {
        assert_eq!(Address::from_target(target), Address { host: host.into(), port }, "{target}");
    }

    #[test]
    fn examples_of_the_conventions_are_read() {
        parses("grpc.io:50051", "grpc.io", Some(50051));
        parses("dns://1.2.3.4/grpc.io:50051", "grpc.io", Some(50051));
        parses("unix:///run/containerd/containerd.sock", "/run/containerd/containerd.sock", None);
        parses("zk://zookeeper:2181/my-server", "zk://zookeeper:2181/my-server", None);
        parses(
            "ipv4:198.51.100.123:50051,198.51.100.124:50051",
            "ipv4:198.51.100.123:50051,198.51.100.124:50051",
            None,
        );
    }

    #[test]
    fn schemes_and_forms_of_other_resolvers_are_read() {
        parses("grpc.io", "grpc.io", None);
        parses("dns:grpc.io:50051", "grpc.io", Some(50051));
        parses("dns:///grpc.io:50051", "grpc.io", Some(50051));
        parses("unix:/run/a.sock", "/run/a.sock", None);
        parses("http://127.0.0.1:50051", "127.0.0.1", Some(50051));
        parses("https://grpc.io/prefix", "grpc.io", None);
        parses("http://[::1]:50051", "::1", Some(50051));
        parses("[::1]:50051", "::1", Some(50051));
        parses("xds:///greeter", "xds:///greeter", None);
    }

    #[test]
    fn credentials_are_not_part_of_the_address() {
        parses("http://user:secret@grpc.io:50051", "grpc.io", Some(50051));
    }

    #[test]
    fn unreadable_target_is_kept_as_it_is() {
        parses("", "", None);
        parses("a b", "a b", None);
    }
}
