//! Attempts to sign in: how many there are, and that they are counted before anything is computed.

use ringdove_core::rings::{AnswerBody, Command};
use ringdove_core::wire::Code;
use ringdove_core::wire::v1::{self, client_frame::Request, hello::Auth, server_frame::Body};
use ringdove_io::{AttemptLimits, ReactorConfig};

use crate::bench::{Bench, Client, Setup};

fn hello(auth: Auth) -> Request {
    Request::Hello(v1::Hello { auth: Some(auth), ..v1::Hello::default() })
}

fn password(handle: &str) -> v1::Password {
    v1::Password { handle: handle.into(), secret: "wrong horse".into(), ..v1::Password::default() }
}

/// The code and the time to come again of the refusal that comes next.
fn refused(bench: &mut Bench, client: &mut Client) -> (u32, u32) {
    match client.frame(bench).body {
        Some(Body::Refusal(refusal)) => (refusal.code, refusal.retry_ms),
        other => panic!("no refusal: {other:?}"),
    }
}

fn guess(bench: &mut Bench, handle: &str) -> (u32, u32) {
    let mut client = Client::connect(bench);
    client.ask(1, hello(Auth::Password(password(handle))));
    let frame = bench.until("the engine or an answer", |bench| {
        bench.heard.pop_front_if(|heard| heard.command == Command::Closed);
        let heard = bench.heard.pop_front_if(|heard| heard.command == Command::LookUp);
        if let Some(heard) = heard {
            bench.answer(&heard, AnswerBody::Challenge(Box::default()));
        }
        client.frame_now()
    });
    match frame.body {
        Some(Body::Refusal(refusal)) => (refusal.code, refusal.retry_ms),
        other => panic!("no refusal: {other:?}"),
    }
}

const WRONG: u32 = 4100;
const TOO_MANY: u32 = 4307;

#[test]
fn an_account_is_guessed_at_so_often_and_then_not_even_looked_up() {
    let attempts = AttemptLimits { per_account: 3, per_address: 0, ..AttemptLimits::default() };
    let mut bench = Bench::new(Setup { attempts, ..Setup::default() });
    for handle in ["bob", "Bob", "BOB"] {
        assert_eq!(guess(&mut bench, handle).0, WRONG);
    }
    let (code, retry_ms) = guess(&mut bench, "bob");
    assert!(code == TOO_MANY && retry_ms > 0, "{code} {retry_ms}");
    assert!(bench.heard.iter().all(|heard| heard.command == Command::Closed), "the engine hears nothing of it");
    assert_eq!(guess(&mut bench, "ann").0, WRONG, "another account");
    let mut device = Client::connect(&mut bench);
    device.hello();
    bench.welcome(&mut device, 256, 0, 0);
}

#[test]
fn an_address_guesses_so_often_whoever_it_means() {
    let attempts = AttemptLimits { per_account: 0, per_address: 3, ..AttemptLimits::default() };
    let mut bench = Bench::new(Setup { attempts, ..Setup::default() });
    for handle in ["ann", "bob", "cyd"] {
        assert_eq!(guess(&mut bench, handle).0, WRONG);
    }
    assert_eq!(guess(&mut bench, "dan").0, TOO_MANY);
}

#[test]
fn an_address_makes_so_many_accounts() {
    let attempts = AttemptLimits { registrations: 2, ..AttemptLimits::default() };
    let mut bench = Bench::new(Setup { attempts, ..Setup::default() });
    for handle in ["ann", "bob"] {
        let mut client = Client::connect(&mut bench);
        client.ask(1, hello(Auth::Register(password(handle))));
        let heard = bench.command();
        assert!(matches!(heard.command, Command::Register(_)), "{heard:?}");
    }
    let mut client = Client::connect(&mut bench);
    client.ask(1, hello(Auth::Register(password("cyd"))));
    assert_eq!(refused(&mut bench, &mut client).0, TOO_MANY);
    assert!(bench.heard.is_empty());
}

#[test]
fn closed_registration_is_told_before_anything_else() {
    let config = ReactorConfig { registration: false, ..ReactorConfig::default() };
    let mut bench = Bench::new(Setup { config, ..Setup::default() });
    let mut client = Client::connect(&mut bench);
    client.ask(1, hello(Auth::Register(v1::Password { handle: "?".into(), ..password("bob") })));
    assert_eq!(client.refusal(&mut bench, 1).0, u32::from(Code::Closed.number()));
    client.ask(2, hello(Auth::Password(password("bob"))));
    assert_eq!(bench.command().command, Command::LookUp, "who has an account signs in");
}
