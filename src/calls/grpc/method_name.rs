//! The name of a method.

/// The method's name in a request path.
pub(super) fn name_of(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}
