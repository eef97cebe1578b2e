//! Hello with a JWT.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use ringdove_core::ids::DeviceId;
use ringdove_core::rings::{AnswerBody, Command, Welcome};
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, server_frame::Body};
use ringdove_core::wire::{Code, Refusal};
use ringdove_io::{AttemptLimits, JwtKeys, JwtRules};
use serde_json::json;

use crate::bench::{Bench, Client, Setup, welcome};

const SECRET: [u8; 32] = [7; 32];
/// RFC 8032, test 1: a private key in PKCS #8, and its public one in PEM form.
const ED_PRIVATE: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

fn keys() -> JwtKeys {
    let rules = JwtRules {
        issuer: None,
        audience: None,
        handle_claim: "sub".into(),
        name_claim: "name".into(),
        create: true,
        leeway_s: 5,
    };
    let keys = JwtKeys::new(rules).with_secret(&SECRET).unwrap();
    keys.with_public_key(None, ED_PUBLIC.as_bytes()).unwrap()
}

fn token(algorithm: Algorithm, secret: &[u8]) -> String {
    let claims = json!({ "sub": "bob", "name": "Bob", "exp": get_current_timestamp() + 60 });
    let key = match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_der(secret),
        _ => EncodingKey::from_secret(secret),
    };
    encode(&Header::new(algorithm), &claims, &key).unwrap()
}

fn hello(token: &str) -> Request {
    Request::Hello(v1::Hello { auth: Some(Auth::Jwt(token.into())), device: 3, ..v1::Hello::default() })
}

#[test]
fn whoever_a_product_vouches_for_signs_in_and_gets_a_token() {
    for token in [token(Algorithm::HS256, &SECRET), token(Algorithm::EdDSA, &ED_PRIVATE)] {
        let mut bench = Bench::new(Setup { jwt: Some(keys()), ..Setup::default() });
        let mut client = Client::connect(&mut bench);
        client.ask(1, hello(&token));
        // what is written behind it waits, as behind any hello
        client.send_text(2, 512, "hi");
        let heard = bench.command();
        let Command::Vouched(vouched) = &heard.command else { panic!("{heard:?}") };
        assert_eq!((&*vouched.handle, &*vouched.name, vouched.create), ("bob", "Bob", true));
        assert_eq!(vouched.sign_in.device, DeviceId(3));
        bench.answer(&heard, AnswerBody::Welcome(Box::new(Welcome { new_token: true, ..*welcome(256, 0, 0) })));
        let Some(Body::Welcome(welcome)) = client.frame(&mut bench).body else { panic!("no welcome") };
        assert!(welcome.token.starts_with("rdt_"));
        assert_eq!(bench.command().request, 2);
    }
}

#[test]
fn a_forged_token_is_told_like_a_wrong_password_and_the_engine_hears_nothing() {
    let mut bench = Bench::new(Setup { jwt: Some(keys()), ..Setup::default() });
    let forged_ed = {
        let mut private = ED_PRIVATE;
        private[47] ^= 1;
        token(Algorithm::EdDSA, &private)
    };
    let public = token(Algorithm::HS256, ED_PUBLIC.as_bytes());
    for forged in [token(Algorithm::HS256, &[8; 32]), forged_ed, public, "a.b.c".into(), String::new()] {
        let mut client = Client::connect(&mut bench);
        client.ask(1, hello(&forged));
        assert_eq!(client.refusal(&mut bench, 1), (u32::from(Code::Unauthenticated.number()), String::new()));
        // and may try again
        client.ask(2, hello(&token(Algorithm::HS256, &SECRET)));
        assert!(matches!(bench.command().command, Command::Vouched(_)));
    }
    assert!(bench.heard.iter().all(|heard| heard.command == Command::Closed));
}

#[test]
fn forged_tokens_count_for_their_address_and_good_ones_do_not() {
    let attempts = AttemptLimits { per_address: 2, ..AttemptLimits::default() };
    let mut bench = Bench::new(Setup { jwt: Some(keys()), attempts, ..Setup::default() });
    for _ in 0..5 {
        let mut client = Client::connect(&mut bench);
        client.ask(1, hello(&token(Algorithm::HS256, &SECRET)));
        let heard = bench.command();
        bench.refuse(&heard, Refusal::of(Code::Disabled));
        assert_eq!(client.refusal(&mut bench, 1).0, u32::from(Code::Disabled.number()));
    }
    for code in [Code::Unauthenticated, Code::Unauthenticated, Code::TooMany] {
        let mut client = Client::connect(&mut bench);
        client.ask(1, hello(&token(Algorithm::EdDSA, &ED_PRIVATE).replace('.', ".x")));
        assert_eq!(client.refusal(&mut bench, 1).0, u32::from(code.number()));
    }
}
