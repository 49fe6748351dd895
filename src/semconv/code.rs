//! gRPC status codes. They are this crate's own, so tonic is not part of its public interface.

use std::fmt;

/// A gRPC status code.
///
/// Displayed by its upper-case name, the value of `rpc.status_code`: `OK`, `NOT_FOUND`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    any(feature = "grpc", feature = "testing"),
    expect(clippy::exhaustive_enums, reason = "the protocol's codes are a closed set")
)]
pub enum GrpcCode {
    /// The call completed.
    Ok = 0,
    /// The caller gave up.
    Cancelled = 1,
    /// An error without a better code.
    Unknown = 2,
    /// The argument is invalid regardless of the system state.
    InvalidArgument = 3,
    /// The deadline expired before the call completed.
    DeadlineExceeded = 4,
    /// A requested entity does not exist.
    NotFound = 5,
    /// The entity already exists.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A quota or a disk is exhausted.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// A conflict with another operation.
    Aborted = 10,
    /// The value is out of range.
    OutOfRange = 11,
    /// No such method here.
    Unimplemented = 12,
    /// An invariant is broken.
    Internal = 13,
    /// The service is unavailable; a retry may succeed.
    Unavailable = 14,
    /// Data is lost or corrupted, unrecoverably.
    DataLoss = 15,
    /// The caller has no valid credentials.
    Unauthenticated = 16,
}

impl GrpcCode {
    /// The number of codes: the size of a table indexed by code.
    pub(crate) const COUNT: usize = 17;

    /// All codes, each at the index that is its number.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The upper-case name: `DEADLINE_EXCEEDED`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// Returns the code of this number, or `Unknown` if there is none.
    pub(crate) fn from_number(number: i32) -> Self {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied()).unwrap_or(Self::Unknown)
    }

    /// Converts tonic's type, whose variants have the same numbers.
    #[cfg(feature = "grpc")]
    pub(crate) fn from_tonic(code: tonic::Code) -> Self {
        Self::ALL.get(code as usize).copied().unwrap_or(Self::Unknown)
    }

    /// Converts to tonic's type.
    #[cfg(test)]
    pub(crate) fn to_tonic(self) -> tonic::Code {
        tonic::Code::from(self as i32)
    }
}

impl fmt::Display for GrpcCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_agree_with_their_numbers() {
        for (number, code) in GrpcCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            let tonic = tonic::Code::from(number as i32);
            assert_eq!(GrpcCode::from_tonic(tonic), code);
            assert_eq!(code.to_tonic(), tonic);
            assert_eq!(format!("{tonic:?}").to_uppercase(), code.name().replace('_', ""));
        }
    }
}
