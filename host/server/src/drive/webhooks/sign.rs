//! Signatures as the specification "Standard Webhooks" has them: HMAC-SHA-256 over id, time and body.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Before a key in base64.
const PREFIX: &[u8] = b"whsec_";
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The value of `webhook-signature`. A secret that begins with `whsec_` is a key in base64, any other is the
/// key itself.
pub fn signature(secret: &[u8], id: &str, seconds: u64, body: &[u8]) -> Result<String, String> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(text) => LENIENT.decode(text).map_err(|_| "it begins with whsec_, and no base64 follows".to_owned())?,
        None => secret.to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specifications_example() {
        // From the tests of the reference implementations of Standard Webhooks.
        let signed =
            signature(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        let plain = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        assert_eq!(signature(&plain, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#), signed);
        assert!(signature(b"whsec_?", "a", 1, b"").is_err());
    }
}
