//! Sign-in with a JWT, for products that have accounts of their own: the product signs who somebody is, and we check that.
//!
//! A key is bound to its algorithm: a token that says HS256 is checked with the shared secret and with nothing else, one that says EdDSA
//! with the public keys, any other, also `none`, with nothing. What is wrong with a token is told to nobody.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, crypto, decode, decode_header};
use ringdove_core::wire::names::{NAME, is_handle, is_line};
use serde_json::{Map, Value};

/// Bytes that a shared secret has at least: as many as HS256 has in its hash.
pub const SECRET_BYTES: usize = 32;
/// Bytes of an Ed25519 public key.
const ED25519_BYTES: usize = 32;

/// What a token has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtRules {
    /// Its `iss`, if that matters.
    pub issuer: Option<String>,
    /// One of its `aud`, if that matters.
    pub audience: Option<String>,
    /// The claim that is the account's handle.
    pub handle_claim: String,
    /// The claim that is the name of an account that is made.
    pub name_claim: String,
    /// Whether whoever has no account gets one.
    pub create: bool,
    /// How many seconds the clocks may differ.
    pub leeway_s: u64,
}

/// The keys of those who may sign, and what their tokens have to say.
pub struct JwtKeys {
    rules: JwtRules,
    hs256: Option<(DecodingKey, Validation)>,
    eddsa: Vec<PublicKey>,
    eddsa_validation: Validation,
}

struct PublicKey {
    /// The `kid` of the tokens that it signs; none: any.
    kid: Option<String>,
    key: DecodingKey,
}

/// Whom a good token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub handle: String,
    pub name: String,
    pub create: bool,
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKeys").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl JwtKeys {
    /// No keys yet: no token is good.
    pub fn new(rules: JwtRules) -> Self {
        let eddsa_validation = validation(Algorithm::EdDSA, &rules);
        Self { rules, hs256: None, eddsa: Vec::new(), eddsa_validation }
    }

    /// Takes a shared secret of at least [`SECRET_BYTES`] bytes.
    ///
    /// # Errors
    /// It is shorter.
    pub fn with_secret(mut self, secret: &[u8]) -> Result<Self, String> {
        if secret.len() < SECRET_BYTES {
            return Err(format!("the secret has {} bytes, but at least {SECRET_BYTES} are needed", secret.len()));
        }
        self.hs256 = Some((DecodingKey::from_secret(secret), validation(Algorithm::HS256, &self.rules)));
        Ok(self)
    }

    /// Takes an Ed25519 public key in PEM form, for tokens with this `kid` or none. A key without one is for tokens with any.
    ///
    /// # Errors
    /// It is no such key.
    pub fn with_public_key(mut self, kid: Option<String>, pem: &[u8]) -> Result<Self, String> {
        let none = || "this is no Ed25519 public key in PEM form".to_owned();
        let key = DecodingKey::from_ed_pem(pem).map_err(|_| none())?;
        // the library takes the first 32 bytes of whatever there is
        if key.try_get_as_bytes().map_or(0, <[u8]>::len) != ED25519_BYTES {
            return Err(none());
        }
        // a look at no signature fails if these bytes are no point of the curve
        crypto::verify("", &[], &key, Algorithm::EdDSA).map_err(|_| none())?;
        self.eddsa.push(PublicKey { kid, key });
        Ok(self)
    }

    /// Whether a look at this token takes no time to speak of (a microsecond or two): a signature by EdDSA takes thirty times as long, and
    /// is left to those who may wait.
    pub(crate) fn is_quick(&self, token: &str) -> bool {
        self.eddsa.is_empty() || !decode_header(token).is_ok_and(|header| header.alg == Algorithm::EdDSA)
    }

    /// Whom a token names; nobody if anything is wrong with it.
    pub(crate) fn check(&self, token: &str) -> Option<Visitor> {
        let header = decode_header(token).ok()?;
        let claims = match header.alg {
            Algorithm::HS256 => {
                let (key, validation) = self.hs256.as_ref()?;
                decode::<Map<String, Value>>(token, key, validation).ok()?.claims
            }
            Algorithm::EdDSA => {
                let fits = |key: &&PublicKey| key.kid.is_none() || header.kid.is_none() || key.kid == header.kid;
                let read = |key: &PublicKey| decode(token, &key.key, &self.eddsa_validation).ok();
                self.eddsa.iter().filter(fits).find_map(read)?.claims
            }
            _ => return None,
        };
        self.visitor(&claims)
    }

    fn visitor(&self, claims: &Map<String, Value>) -> Option<Visitor> {
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let handle = text(&self.rules.handle_claim).filter(|handle| is_handle(handle))?;
        // a name that cannot be shown is no reason to keep somebody out
        let name = text(&self.rules.name_claim).filter(|name| is_line(name, NAME)).unwrap_or_default();
        Some(Visitor { handle: handle.to_owned(), name: name.to_owned(), create: self.rules.create })
    }
}

/// The claims that the library checks. It looks at issuer and audience only where they are required.
fn validation(algorithm: Algorithm, rules: &JwtRules) -> Validation {
    let mut validation = Validation::new(algorithm);
    let mut required = vec!["exp"];
    validation.leeway = rules.leeway_s;
    validation.validate_nbf = true;
    validation.validate_aud = rules.audience.is_some();
    if let Some(issuer) = &rules.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if let Some(audience) = &rules.audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use serde_json::json;

    use super::*;

    const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";
    /// RFC 8032, test 1 and 2: a private key, and the public one that belongs to it.
    const ED: [&str; 2] = [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    ];
    const OTHER_ED: [&str; 2] = [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    ];

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }

    fn pem(public: &str) -> String {
        let der = [hex("302a300506032b6570032100"), hex(public)].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    fn signer(private: &str) -> EncodingKey {
        EncodingKey::from_ed_der(&[hex("302e020100300506032b657004220420"), hex(private)].concat())
    }

    fn rules() -> JwtRules {
        JwtRules {
            issuer: None,
            audience: None,
            handle_claim: "sub".into(),
            name_claim: "name".into(),
            create: true,
            leeway_s: 5,
        }
    }

    fn keys(rules: JwtRules) -> JwtKeys {
        let keys = JwtKeys::new(rules).with_secret(SECRET).expect("long enough");
        keys.with_public_key(Some("one".into()), pem(ED[1]).as_bytes()).expect("a key")
    }

    fn claims() -> Value {
        json!({ "sub": "bob", "name": "Bob", "exp": get_current_timestamp() + 60 })
    }

    fn hs256(claims: &Value) -> String {
        encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET)).expect("it can be signed")
    }

    fn eddsa(private: &str, kid: Option<&str>) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &claims(), &signer(private)).expect("it can be signed")
    }

    fn with(claim: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[claim] = value;
        claims
    }

    #[test]
    fn a_good_token_names_its_visitor() {
        let bob = Visitor { handle: "bob".into(), name: "Bob".into(), create: true };
        for token in [hs256(&claims()), eddsa(ED[0], None), eddsa(ED[0], Some("one"))] {
            assert_eq!(keys(rules()).check(&token), Some(bob.clone()));
        }
        let named = keys(JwtRules { handle_claim: "name".into(), ..rules() }).check(&hs256(&claims()));
        assert_eq!(named.map(|visitor| visitor.handle), Some("Bob".into()));
        let shown = keys(rules()).check(&hs256(&with("name", json!("bob\u{202e}gnp"))));
        assert_eq!(shown.map(|visitor| visitor.name), Some(String::new()), "a name that cannot be shown is left out");
    }

    #[test]
    fn times_count() {
        let now = get_current_timestamp();
        for bad in [
            with("exp", json!(now - 60)),
            with("exp", Value::Null),
            with("exp", json!("soon")),
            with("exp", json!(-1)),
            with("nbf", json!(now + 60)),
            with("nbf", json!("now")),
        ] {
            assert_eq!(keys(rules()).check(&hs256(&bad)), None, "{bad}");
        }
        assert!(keys(rules()).check(&hs256(&with("nbf", json!(now - 60)))).is_some());
        let patient = keys(JwtRules { leeway_s: 120, ..rules() });
        assert!(patient.check(&hs256(&with("exp", json!(now - 60)))).is_some());
    }

    #[test]
    fn issuer_and_audience_count_if_they_are_set() {
        let strict = || keys(JwtRules { issuer: Some("us".into()), audience: Some("chat".into()), ..rules() });
        let token = |iss: Value, aud: Value| {
            let mut claims = claims();
            (claims["iss"], claims["aud"]) = (iss, aud);
            hs256(&claims)
        };
        let good = [token(json!("us"), json!("chat")), token(json!("us"), json!(["mail", "chat"]))];
        good.iter().for_each(|good| assert!(strict().check(good).is_some()));
        for bad in [
            token(json!("them"), json!("chat")),
            token(json!("us"), json!("mail")),
            token(Value::Null, json!("chat")),
            token(json!("us"), Value::Null),
            hs256(&claims()),
        ] {
            assert_eq!(strict().check(&bad), None);
        }
        assert!(keys(rules()).check(&good[0]).is_some(), "where they are not set they may say what they like");
    }

    #[test]
    fn who_is_no_handle_is_nobody() {
        for bad in [json!("9bob"), json!("b\u{430}b"), json!(""), json!(7), Value::Null, json!(["bob"])] {
            assert_eq!(keys(rules()).check(&hs256(&with("sub", bad.clone()))), None, "{bad}");
        }
    }

    /// A token's header chooses among keys, never what a key is used for.
    #[test]
    fn forged_tokens_name_nobody() {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let unsigned = |alg: &str| format!("{}.{}.", part(&json!({ "alg": alg, "typ": "JWT" })), part(&claims()));
        let good = hs256(&claims());
        let (body, signature) = good.rsplit_once('.').expect("three parts");
        let public = EncodingKey::from_secret(pem(ED[1]).as_bytes());
        let raw = EncodingKey::from_secret(&hex(ED[1]));
        let forged = [
            unsigned("none"),
            unsigned("None"),
            unsigned("HS256"),
            unsigned("EdDSA"),
            format!("{body}."),
            format!("{body}.{}", &signature[1..]),
            format!("{}.{}.{signature}", part(&json!({ "alg": "none" })), part(&claims())),
            encode(&Header::default(), &claims(), &public).expect("signed"),
            encode(&Header::default(), &claims(), &raw).expect("signed"),
            encode(&Header::new(Algorithm::HS512), &claims(), &EncodingKey::from_secret(SECRET)).expect("signed"),
            encode(&Header::default(), &claims(), &EncodingKey::from_secret(&[7; 32])).expect("signed"),
            eddsa(OTHER_ED[0], None),
            eddsa(OTHER_ED[0], Some("one")),
            eddsa(ED[0], Some("two")),
            String::new(),
            "..".into(),
            "rdt_abc".into(),
            format!("{good}.x"),
        ];
        for token in forged {
            assert_eq!(keys(rules()).check(&token), None, "{token}");
        }
        let only_public = JwtKeys::new(rules()).with_public_key(None, pem(ED[1]).as_bytes()).expect("a key");
        assert_eq!(only_public.check(&good), None, "no secret, no HS256");
        assert!(only_public.check(&eddsa(ED[0], Some("any"))).is_some(), "a key without a name takes any");
        let only_secret = JwtKeys::new(rules()).with_secret(SECRET).expect("long enough");
        assert_eq!(only_secret.check(&eddsa(ED[0], None)), None);
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        assert!(JwtKeys::new(rules()).with_secret(&[1; 31]).is_err());
        let mut private = pem(ED[1]);
        private = private.replace("PUBLIC", "PRIVATE");
        let short = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode([0x30; 20]));
        let no_point = pem(&"02".repeat(32));
        for bad in ["", "no key", &private, &short, &no_point] {
            assert!(JwtKeys::new(rules()).with_public_key(None, bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let shown = format!("{:?}", keys(rules()));
        assert!(!shown.contains("thirty-two") && !shown.contains("97, 32, 115"), "{shown}");
    }
}
