//! A secret that the configuration holds: it is not shown, wherever the configuration is.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use ringdove_io::SECRET_BYTES;
use zeroize::Zeroizing;

/// What stands in its place. It is no secret: who reads a printed configuration again is told that it is missing.
pub(super) const HIDDEN: &str = "hidden";

/// Bytes that nobody sees.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Reads a secret in base64, of either alphabet, padded or not. The error does not repeat it.
pub fn secret(text: &str) -> Result<Secret, String> {
    let text = text.trim().replace('-', "+").replace('_', "/");
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, padding).decode(text).unwrap_or_default();
    if bytes.len() < SECRET_BYTES {
        return Err(format!(
            "this is no base64 of at least {SECRET_BYTES} bytes; `openssl rand -base64 {SECRET_BYTES}` makes one"
        ));
    }
    Ok(Secret(Zeroizing::new(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_in_either_alphabet_and_shown_in_none() {
        let bytes = [0xfb; 32];
        for text in ["+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=", "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s\n"] {
            let secret = secret(text).unwrap();
            assert_eq!(secret.bytes(), bytes);
            assert_eq!(format!("{secret:?}"), HIDDEN);
        }
        for bad in ["", HIDDEN, "no base64!", "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7"] {
            let why = secret(bad).unwrap_err();
            assert!(bad.is_empty() || !why.contains(bad), "{why}");
        }
    }
}
