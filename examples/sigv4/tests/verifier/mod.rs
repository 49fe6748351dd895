//! Signature Version 4 as its documentation describes it, step by step.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// A request as it came over the connection.
pub struct Received {
    pub method: String,
    /// Without a query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The signature that the request must have, over the headers that it says to have signed.
pub fn signature(request: &Received, secret: &str, region: &str, service: &str) -> Option<String> {
    let authorization = request.header("authorization")?;
    let (_, signed) = authorization.split_once("SignedHeaders=")?;
    let (signed, _) = signed.split_once(',')?;
    // AWS requires these two.
    let is_signed = |name| signed.split(';').any(|signed| signed == name);
    if !is_signed("host") || !is_signed("x-amz-date") {
        return None;
    }
    let mut canonical = format!("{}\n{}\n\n", request.method, request.path);
    for name in signed.split(';') {
        canonical += &format!("{name}:{}\n", request.header(name)?);
    }
    canonical += &format!("\n{signed}\n{}", hex::encode(Sha256::digest(&request.body)));

    let time = request.header("x-amz-date")?;
    let date = time.get(..8)?;
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{date}/{region}/{service}/aws4_request\n{hash}");
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [date, region, service, "aws4_request"] {
        key = hmac(&key, part);
    }
    Some(hex::encode(hmac(&key, &text)))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}
