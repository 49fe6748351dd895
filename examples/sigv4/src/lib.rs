//! A signer of OTLP requests for AWS: Signature Version 4, by the crate of the AWS SDK.

use std::error::Error;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::Request;

type BoxError = Box<dyn Error + Send + Sync>;

/// Returns a signer for `request_signer` of a signal.
///
/// `service` is `xray` for traces, `logs` for log records and `monitoring` for metrics. `credentials` is called for each
/// request, so that temporary credentials can be renewed. It may block: a signer runs on a helper thread.
pub fn signer(
    service: &'static str,
    region: impl Into<String>,
    credentials: impl Fn() -> Result<Credentials, BoxError> + Send + Sync + 'static,
) -> impl Fn(&mut Request<Bytes>) -> Result<(), BoxError> + Send + Sync + 'static {
    let region = region.into();
    move |request| add_signature(request, service, &region, credentials()?, SystemTime::now())
}

/// Adds the headers of the signature: `authorization`, `x-amz-date`, and `x-amz-security-token` of temporary credentials.
pub fn add_signature(
    request: &mut Request<Bytes>,
    service: &str,
    region: &str,
    credentials: Credentials,
    time: SystemTime,
) -> Result<(), BoxError> {
    let identity = Identity::from(credentials);
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request.headers().iter().map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
    let headers = headers.collect::<Result<Vec<_>, http::header::ToStrError>>()?;
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers.into_iter(),
        SignableBody::Bytes(request.body()),
    )?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
