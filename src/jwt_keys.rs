//! Reads the keys with which products sign the JWTs of their people.

use std::fs;
use std::path::Path;

use ringdove_io::{JwtKeys, JwtRules};
use zeroize::Zeroizing;

use crate::config::{Config, Registration, Secret, secret};

/// A key's file is small; a larger one is something else.
const FILE_BYTES: u64 = 64 << 10;

/// The keys that are configured; `None`: nobody signs in with a JWT.
///
/// # Errors
/// A file cannot be read or holds no key, in words for an operator.
pub fn read(config: &Config) -> Result<Option<JwtKeys>, String> {
    let jwt = &config.jwt;
    let shared = match &jwt.hs256_file {
        Some(path) => Some(read_secret(path)?),
        None => jwt.hs256.clone(),
    };
    if shared.is_none() && jwt.eddsa.is_empty() {
        return Ok(None);
    }
    let mut keys = JwtKeys::new(JwtRules {
        issuer: jwt.issuer.clone(),
        audience: jwt.audience.clone(),
        handle_claim: jwt.handle_claim.clone(),
        name_claim: jwt.name_claim.clone(),
        create: jwt.create,
        leeway_s: jwt.leeway.as_secs(),
    });
    if let Some(shared) = shared {
        keys = keys.with_secret(shared.bytes()).map_err(|why| format!("jwt.hs256: {why}"))?;
    }
    for (kid, path) in &jwt.eddsa {
        let wrong = |why| format!("jwt.eddsa: {}: {why}", path.display());
        keys = keys.with_public_key(kid.clone(), read_file(path).map_err(wrong)?.as_bytes()).map_err(wrong)?;
    }
    if config.registration == Registration::Open {
        tracing::warn!(
            "jwt with open registration: a stranger can take the handle of somebody who has not signed in yet"
        );
    }
    Ok(Some(keys))
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let wrong = |why| format!("jwt.hs256_file: {}: {why}", path.display());
    secret(&read_file(path).map_err(wrong)?).map_err(wrong)
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > FILE_BYTES {
        return Err(format!("{bytes} bytes are too many for a key"));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(|error| error.to_string())
}
