//! TLS to Postgres: asked for with `sslmode=require`, and then the server's certificate is checked, for its name as well.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{SqlError, failed};

/// What makes connections, with the authorities that this machine trusts, or those in the file that `SSL_CERT_FILE` names.
pub(super) fn connector() -> Result<MakeRustlsConnect, SqlError> {
    let what = "setting TLS up";
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "there is none".to_owned(), ToString::to_string);
        return Err(failed(what)(format!(
            "no authority is trusted here (SSL_CERT_FILE can name a file of them): {why}"
        )));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(failed(what))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}
