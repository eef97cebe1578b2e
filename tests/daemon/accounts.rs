//! Who may come in, and how: registration, passwords, JWTs, limits of attempts, what operators set. As a process, across crashes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use prost::Message;
use ringdove_core::wire::admin::{self, admin_answer, admin_frame, change::What};
use ringdove_core::wire::frame::{Split, put_length, split};
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, server_frame::Body};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::broker::{Broker, PATIENCE, ringdove, run, serve};
use crate::client::{Client, text};

/// An operator at the admin door of a data folder.
struct Operator(UnixStream);

impl Operator {
    fn at(data: &Path) -> Self {
        let socket = UnixStream::connect(data.join("admin.sock")).expect("the door is open");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self(socket)
    }

    fn ask(&mut self, request: admin_frame::Request) -> admin_answer::Body {
        let frame = admin::AdminFrame { id: 1, request: Some(request) }.encode_to_vec();
        let mut bytes = Vec::new();
        put_length(&mut bytes, frame.len());
        bytes.extend_from_slice(&frame);
        self.0.write_all(&bytes).expect("it reads");
        let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            if let Split::Frame { frame, .. } = split(&received, usize::MAX) {
                return admin::AdminAnswer::decode(frame).expect("an answer").body.expect("a body");
            }
            let count = self.0.read(&mut chunk).expect("an answer in time");
            assert!(count > 0, "it hung up");
            received.extend_from_slice(&chunk[..count]);
        }
    }

    /// Changes the account of this handle.
    fn change(&mut self, handle: &str, what: What) -> admin_answer::Body {
        let who = Some(admin::Who { user: 0, handle: handle.into() });
        self.ask(admin_frame::Request::Change(admin::Change { who, what: Some(what) }))
    }
}

fn with(data: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = serve(data);
    command.envs(settings.iter().map(|(name, value)| (format!("RINGDOVE_{name}"), *value)));
    command
}

fn password(handle: &str, secret: &str) -> Auth {
    Auth::Password(v1::Password { handle: handle.into(), secret: secret.into(), ..v1::Password::default() })
}

fn register(handle: &str, secret: &str) -> Auth {
    Auth::Register(v1::Password { handle: handle.into(), secret: secret.into(), ..v1::Password::default() })
}

/// Says hello on a connection of its own: the name and the time to come again of the refusal, if it is one.
fn hello(broker: &Broker, auth: Auth) -> Result<v1::Welcome, (String, u32)> {
    let hello = v1::Hello { auth: Some(auth), ..v1::Hello::default() };
    match Client::connect(broker.address).ask(Request::Hello(hello)) {
        Ok(Body::Welcome(welcome)) => Ok(welcome),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err((refusal.name, refusal.retry_ms)),
    }
}

fn refused(broker: &Broker, auth: Auth) -> String {
    hello(broker, auth).expect_err("no welcome").0
}

/// Asks for a new password; done, or the refusal's name and field.
fn renew(client: &mut Client, old: &str, secret: &str) -> Result<(), (String, String)> {
    let new = v1::NewPassword { old: old.into(), secret: secret.into() };
    let id = client.write(Request::NewPassword(new)).expect("it reads");
    loop {
        match client.frame().expect("an answer") {
            v1::ServerFrame { id: answered, body: None } if answered == id => return Ok(()),
            v1::ServerFrame { id: answered, body: Some(Body::Refusal(no)) } if answered == id => {
                return Err((no.name, no.field));
            }
            news => client.news.push_back(news),
        }
    }
}

#[test]
fn a_new_password_signs_the_others_out_and_survives_a_crash() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut phone = Client::register(broker.address, "ann");
    let mut desk = Client::hello(broker.address, password("ann", "correct horse"), None);
    let no = renew(&mut phone, "wrong horse", "battery staple").unwrap_err();
    assert_eq!(no, ("UNAUTHENTICATED".into(), "old".into()));
    assert_eq!(renew(&mut phone, "correct horse", "short").unwrap_err(), ("INVALID".into(), "secret".into()));
    renew(&mut phone, "correct horse", "battery staple").unwrap();
    assert!(matches!(desk.news().body, Some(Body::Bye(bye)) if bye.name == "SIGNED_OUT"));
    let (phone, desk) = (phone.identity(), desk.identity());
    broker.crash();

    let broker = Broker::on(folder.path());
    assert_eq!(refused(&broker, password("ann", "correct horse")), "UNAUTHENTICATED");
    assert_eq!(refused(&broker, Auth::Token(desk.token)), "SIGNED_OUT");
    hello(&broker, password("ann", "battery staple")).unwrap();
    hello(&broker, Auth::Token(phone.token)).unwrap();
    broker.stop();
}

/// What an operator types is a password for people: it signs in, and stands nowhere in the data folder.
#[test]
fn an_operators_passwords_are_kept_as_hashes() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut operator = Operator::at(folder.path());
    let add = |handle: &str, secret: &str| {
        let (handle, secret) = (handle.to_owned(), secret.to_owned());
        admin_frame::Request::Add(admin::Add { handle, secret, name: String::new() })
    };
    let admin_answer::Body::User(ann) = operator.ask(add("ann", "correct horse")) else { panic!("no user") };
    assert!(ann.password);
    let no = operator.ask(add("bob", "short"));
    assert!(matches!(no, admin_answer::Body::Refusal(no) if no.name == "INVALID" && no.field == "secret"));
    let admin_answer::Body::User(bob) = operator.ask(add("bob", "")) else { panic!("no user") };
    assert!(!bob.password);
    hello(&broker, password("ann", "correct horse")).unwrap();
    assert_eq!(refused(&broker, password("bob", "")), "UNAUTHENTICATED");
    assert!(matches!(operator.change("ann", What::Password("battery staple".into())), admin_answer::Body::User(_)));
    assert_eq!(refused(&broker, password("ann", "correct horse")), "UNAUTHENTICATED");
    hello(&broker, password("ann", "battery staple")).unwrap();
    broker.stop();
    for file in std::fs::read_dir(folder.path().join("journal")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for typed in ["correct horse", "battery staple"] {
            assert!(!bytes.windows(typed.len()).any(|window| window == typed.as_bytes()), "{typed}");
        }
    }
}

/// Whoever moves in from another system keeps the password, and needs no device before the first sign-in.
#[test]
fn imported_people_sign_in_with_the_password_that_they_had() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let account = admin::Account {
        handle: "ann".into(),
        // of "password"
        secret: "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc".into(),
        no_device: true,
        ..admin::Account::default()
    };
    let import = admin_frame::Request::Import(admin::Import { accounts: vec![account] });
    let admin_answer::Body::Imported(imported) = Operator::at(folder.path()).ask(import) else { panic!("no import") };
    assert_eq!((imported.made[0].device, &*imported.made[0].token), (0, ""));
    broker.crash();
    let broker = Broker::on(folder.path());
    assert_eq!(refused(&broker, password("ann", "passwords")), "UNAUTHENTICATED");
    assert_eq!(hello(&broker, password("ann", "password")).unwrap().device, 1);
    broker.stop();
}

#[test]
fn closed_registration_keeps_strangers_out_and_members_in() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let ann = Client::register(broker.address, "ann").identity();
    broker.stop();
    let broker = Broker::start(with(folder.path(), &[("REGISTRATION", "closed")]));
    assert_eq!(refused(&broker, register("bob", "correct horse")), "CLOSED");
    assert_eq!(refused(&broker, register("ann", "correct horse")), "CLOSED", "nor does it tell whom there is");
    hello(&broker, password("ann", "correct horse")).unwrap();
    hello(&broker, Auth::Token(ann.token)).unwrap();
    broker.stop();
}

#[test]
fn an_account_is_guessed_at_so_often_and_its_devices_go_on() {
    let folder = tempdir().unwrap();
    let limits = [("LIMITS_FAILED_LOGINS_PER_ACCOUNT", "3")];
    let broker = Broker::start(with(folder.path(), &limits));
    let ann = Client::register(broker.address, "ann").identity();
    for handle in ["ann", "nobody"] {
        for _ in 0..3 {
            assert_eq!(refused(&broker, password(handle, "wrong horse")), "UNAUTHENTICATED");
        }
        let (name, retry_ms) = hello(&broker, password(handle, "correct horse")).unwrap_err();
        assert!(name == "TOO_MANY" && retry_ms > 0, "{name} {retry_ms}: right or wrong, there or not");
    }
    hello(&broker, Auth::Token(ann.token.clone())).unwrap();
    hello(&broker, register("bob", "correct horse")).unwrap();
    // nothing of it is kept: a restart forgives
    broker.stop();
    let broker = Broker::start(with(folder.path(), &limits));
    for _ in 0..10 {
        hello(&broker, password("ann", "correct horse")).expect("what is right costs nothing");
    }
    broker.stop();
}

#[test]
fn an_address_guesses_and_registers_so_often() {
    let folder = tempdir().unwrap();
    let limits = [("LIMITS_FAILED_LOGINS_PER_ADDRESS", "2"), ("LIMITS_REGISTRATIONS_PER_ADDRESS", "2")];
    let broker = Broker::start(with(folder.path(), &limits));
    let ann = hello(&broker, register("ann", "correct horse")).unwrap();
    hello(&broker, register("bob", "correct horse")).unwrap();
    assert_eq!(refused(&broker, register("cyd", "correct horse")), "TOO_MANY");
    for handle in ["ann", "bob"] {
        assert_eq!(refused(&broker, password(handle, "wrong horse")), "UNAUTHENTICATED");
    }
    assert_eq!(refused(&broker, password("dan", "wrong horse")), "TOO_MANY");
    hello(&broker, Auth::Token(ann.token)).unwrap();
    broker.stop();
}

#[test]
fn where_only_contacts_write_others_are_told_so() {
    let folder = tempdir().unwrap();
    let broker = Broker::start(with(folder.path(), &[("WRITING", "contacts"), ("LIMITS_CONTACTS", "1")]));
    let mut people = ["ann", "bob", "cyd"].map(|handle| Client::register(broker.address, handle));
    let ids = people.each_ref().map(|client| client.welcome.user);
    let become_ = |user: u64, state: v1::Contact| v1::Send {
        to: Some(v1::send::To::User(user)),
        contact_change: Some(v1::ContactChange { state: state.into(), ..v1::ContactChange::default() }),
        ..v1::Send::default()
    };
    assert_eq!(people[0].send(text(ids[1], 1, "hi")).unwrap_err().name, "NOT_CONTACT");
    people[0].send(become_(ids[1], v1::Contact::Requested)).unwrap();
    assert_eq!(people[0].send(text(ids[1], 2, "hi")).unwrap_err().name, "NOT_CONTACT", "not asked is not answered");
    people[1].send(become_(ids[0], v1::Contact::Accepted)).unwrap();
    people[0].send(text(ids[1], 3, "hi")).unwrap();
    people[1].send(text(ids[0], 1, "hi")).unwrap();
    people[0].send(text(ids[0], 4, "note to self")).unwrap();
    assert_eq!(people[0].send(become_(ids[2], v1::Contact::Requested)).unwrap_err().name, "FULL", "one contact each");
    broker.stop();
}

#[test]
fn whoever_is_disabled_is_told_so_and_whoever_is_deleted_is_nobody() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let mut ann = Client::register(broker.address, "ann");
    let token = Auth::Token(ann.identity().token);
    let mut operator = Operator::at(folder.path());
    operator.change("ann", What::Disable(true));
    assert!(matches!(ann.news().body, Some(Body::Bye(bye)) if bye.name == "DISABLED"));
    assert_eq!(refused(&broker, token.clone()), "DISABLED");
    assert_eq!(refused(&broker, password("ann", "correct horse")), "DISABLED");
    assert_eq!(refused(&broker, password("ann", "wrong horse")), "UNAUTHENTICATED", "only who could sign in is told");
    operator.change("ann", What::Disable(false));
    hello(&broker, token.clone()).expect("nothing was lost");
    operator.change("ann", What::Delete(true));
    assert_eq!(refused(&broker, token), "SIGNED_OUT");
    assert_eq!(refused(&broker, password("ann", "correct horse")), "UNAUTHENTICATED");
    assert_eq!(refused(&broker, register("Ann", "correct horse")), "EXISTS", "the handle is not given again");
    broker.stop();
}

const SECRET: [u8; 32] = [0x2a; 32];
const SECRET_BASE64: &str = "KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=";
/// RFC 8032, test 1: a private key in PKCS #8, and its public one in PEM form.
const ED_PRIVATE: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

fn claims(handle: &str) -> Value {
    json!({ "sub": handle, "name": "Ann ✿", "exp": get_current_timestamp() + 600, "iss": "shop", "aud": "chat" })
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> Auth {
    Auth::Jwt(encode(header, claims, key).expect("it can be signed"))
}

fn hs256(claims: &Value) -> Auth {
    signed(&Header::default(), claims, &EncodingKey::from_secret(&SECRET))
}

fn eddsa(handle: &str, kid: &str) -> Auth {
    let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::EdDSA) };
    signed(&header, &claims(handle), &EncodingKey::from_ed_der(&ED_PRIVATE))
}

#[test]
fn a_product_signs_its_people_in() {
    let folder = tempdir().unwrap();
    let key = folder.path().join("shop.pem");
    std::fs::write(&key, ED_PUBLIC).unwrap();
    let keys = format!("shop={}", key.display());
    let data = folder.path().join("data");
    let settings = [
        ("REGISTRATION", "closed"),
        ("JWT_HS256", SECRET_BASE64),
        ("JWT_EDDSA", &*keys),
        ("JWT_ISSUER", "shop"),
        ("JWT_AUDIENCE", "chat"),
        ("JWT_CREATE", "true"),
    ];
    let broker = Broker::start(with(&data, &settings));
    let ann = hello(&broker, hs256(&claims("ann"))).unwrap();
    assert!((ann.device, &*ann.handle) == (1, "ann") && !ann.token.is_empty());
    let again = hello(&broker, eddsa("Ann", "shop")).unwrap();
    assert_eq!((again.user, again.device), (ann.user, 2), "the same one, whoever signs");
    let bob = hello(&broker, eddsa("bob", "shop")).unwrap();
    let mut client = Client::hello(broker.address, Auth::Token(ann.token.clone()), None);
    let users = v1::Users { users: vec![ann.user], handles: Vec::new() };
    let get = v1::Get { what: Some(v1::get::What::Users(users)), ..v1::Get::default() };
    assert!(matches!(client.ask(Request::Get(get)), Ok(Body::Found(found)) if found.profiles[0].name == "Ann ✿"));
    client.send(text(bob.user, 1, "hi")).unwrap();

    let now = get_current_timestamp();
    let but = |claim: &str, value: Value| {
        let mut claims = claims("ann");
        claims[claim] = value;
        hs256(&claims)
    };
    let Auth::Jwt(good) = hs256(&claims("ann")) else { unreachable!() };
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let body = good.split('.').nth(1).unwrap();
    for bad in [
        but("exp", json!(now - 60)),
        but("exp", Value::Null),
        but("nbf", json!(now + 60)),
        but("iss", json!("them")),
        but("aud", json!("mail")),
        but("sub", json!("9ann")),
        Auth::Jwt(format!("{unsigned}.{body}.")),
        signed(&Header::default(), &claims("ann"), &EncodingKey::from_secret(&[7; 32])),
        signed(&Header::default(), &claims("ann"), &EncodingKey::from_secret(ED_PUBLIC.as_bytes())),
        eddsa("ann", "mall"),
        Auth::Jwt(String::new()),
    ] {
        assert_eq!(refused(&broker, bad.clone()), "UNAUTHENTICATED", "{bad:?}");
    }
    // it is one account like any other: an operator's word counts, and it survives a crash
    Operator::at(&data).change("bob", What::Disable(true));
    assert_eq!(refused(&broker, eddsa("bob", "shop")), "DISABLED");
    Operator::at(&data).change("bob", What::Delete(true));
    assert_eq!(refused(&broker, eddsa("bob", "shop")), "UNAUTHENTICATED", "a deleted handle is not given again");
    drop(client);
    broker.crash();
    let broker = Broker::start(with(&data, &settings));
    assert_eq!(hello(&broker, Auth::Token(ann.token)).unwrap().user, ann.user);
    assert_eq!(hello(&broker, hs256(&claims("ann"))).unwrap().user, ann.user);
    broker.stop();
}

#[test]
fn without_keys_or_without_create_nobody_is_vouched_for() {
    let folder = tempdir().unwrap();
    let broker = Broker::on(folder.path());
    let ann = Client::register(broker.address, "ann").identity();
    assert_eq!(refused(&broker, hs256(&claims("ann"))), "UNSUPPORTED");
    broker.stop();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET_BASE64}\n")).unwrap();
    let broker = Broker::start(with(folder.path(), &[("JWT_HS256_FILE", &secret.display().to_string())]));
    assert_eq!(refused(&broker, hs256(&claims("bob"))), "UNAUTHENTICATED");
    assert_eq!(hello(&broker, hs256(&claims("ann"))).unwrap().user, ann.user);
    broker.stop();
}

#[test]
fn a_key_that_is_none_refuses_the_start_and_a_secret_is_never_shown() {
    let folder = tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("key"));
    std::fs::write(&file, "no key").unwrap();
    let path = file.display().to_string();
    for (settings, says) in [
        ([("JWT_EDDSA", &*path)], "jwt.eddsa: "),
        ([("JWT_EDDSA", "/no/such/key")], "jwt.eddsa: /no/such/key: No such file"),
        ([("JWT_HS256_FILE", &*path)], "jwt.hs256_file: "),
        ([("JWT_HS256", "c2hvcnQ=")], "RINGDOVE_JWT_HS256: jwt.hs256: this is no base64 of at least 32 bytes"),
        ([("JWT_HS256", "hidden")], "RINGDOVE_JWT_HS256: jwt.hs256: this is no base64"),
    ] {
        let (code, said) = run(&mut with(&data, &settings));
        assert!(code == Some(1) && said.contains(says), "{said}");
        assert!(!said.contains("c2hvcnQ"), "{said}");
    }
    let (code, said) = run(ringdove(["config", "print"]).env("RINGDOVE_JWT_HS256", SECRET_BASE64));
    assert!(code == Some(0) && said.contains("hs256 = \"hidden\"  # RINGDOVE_JWT_HS256"), "{said}");
    assert!(!said.contains("Kioq"), "{said}");
    let both = [("JWT_HS256", SECRET_BASE64), ("JWT_HS256_FILE", &*path)];
    let (code, said) = run(&mut with(&data, &both));
    assert!(code == Some(1) && said.contains("not both"), "{said}");
}
