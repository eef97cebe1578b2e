//! Session tokens: 32 random bytes in base64url, of which the broker keeps nothing but the SHA-256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// So that a token is recognised where it should not be, in a log or a repository.
const PREFIX: &str = "rdt_";

/// A fresh token and its hash. Fails only when the system has no random numbers.
pub(crate) fn fresh() -> Result<(Zeroizing<String>, [u8; 32]), getrandom::Error> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut())?;
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + 43));
    token.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(random.as_ref(), &mut token);
    let digest = digest(&token);
    Ok((token, digest))
}

/// What the broker knows a token by.
pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_carry_their_prefix() -> Result<(), getrandom::Error> {
        let (one, hash) = fresh()?;
        let (other, _) = fresh()?;
        assert!(one.starts_with(PREFIX) && one.len() == PREFIX.len() + 43);
        assert_ne!(*one, *other);
        assert_eq!(hash, digest(&one));
        Ok(())
    }
}
