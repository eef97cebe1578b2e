//! Ends: by the client, by the engine, by the shutdown.

use ringdove_core::agent::Agent;
use ringdove_core::ids::DeviceId;
use ringdove_core::rings::{AnswerBody, Command};
use ringdove_core::wire::v1::{self, client_frame::Request, server_frame::Body};
use ringdove_core::wire::{Code, Refusal};

use crate::bench::{Bench, Client, Setup};

#[test]
fn a_half_closed_socket_gets_its_answers_and_then_the_close() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    client.send_text(2, 512, "one");
    client.send_text(3, 512, "two");
    client.finish_writing();
    for id in [2, 3] {
        let heard = bench.command();
        bench.settle();
        assert_eq!(heard.request, id);
        bench.answer(&heard, AnswerBody::Done);
        assert_eq!(client.frame(&mut bench).id, id);
    }
    client.end(&mut bench);
    assert_eq!(bench.closed().connection, client.id);
}

#[test]
fn a_half_closed_socket_in_the_middle_of_hello_is_welcomed_first() {
    let mut bench = Bench::new(Setup::default());
    let mut client = Client::connect(&mut bench);
    client.hello();
    client.finish_writing();
    bench.settle();
    bench.welcome(&mut client, 256, 0, 0);
    client.end(&mut bench);
    assert_eq!(bench.closed().connection, client.id);
}

#[test]
fn bye_is_done_and_then_the_connection_ends_without_a_farewell() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 2, 2);
    client.raw_frame(&[0x10, 2]);
    client.ask(5, Request::Bye(v1::Bye { all_devices: true, device: 0 }));
    client.send_text(6, 512, "too late");
    let heard = bench.command();
    assert_eq!((heard.ack, &heard.command), (2, &Command::Bye { all_devices: true, device: DeviceId(0) }));
    bench.answer(&heard, AnswerBody::SignedOut);
    assert_eq!(client.frame(&mut bench), v1::ServerFrame { id: 5, body: None });
    client.end(&mut bench);
    assert_eq!(bench.closed().connection, client.id);
    assert!(bench.heard.is_empty());
}

#[test]
fn a_replaced_device_hears_why() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    bench.say(client.id, 0, AnswerBody::Close(Refusal::of(Code::Replaced)));
    assert_eq!(client.bye(&mut bench), u32::from(Code::Replaced.number()));
}

/// The bye is not lost to bytes of the client that nobody reads any more.
#[test]
fn a_bye_survives_what_the_client_still_sends() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    bench.say(client.id, 0, AnswerBody::Close(Refusal::of(Code::Replaced)));
    client.bytes(&vec![0; 100_000]);
    bench.settle();
    client.bytes(&vec![0; 1_000]);
    assert_eq!(client.bye(&mut bench), u32::from(Code::Replaced.number()));
}

/// The reactors stop first, and speak last: see the handshake.
#[test]
fn shutdown_tells_what_was_taken_and_then_says_bye() {
    let mut bench = Bench::new(Setup { inbound: 64, ..Setup::default() });
    let mut clients: Vec<_> = (0..4).map(|_| bench.signed_in(256, 0, 0)).collect();
    let mut json = Client::silent(&mut bench);
    json.bytes(b"{}\n");
    json.line(&mut bench);
    bench.engine_stands = true;
    // one less would leave room for the close; to one and the other, so that each takes a slot of its own
    for id in 2..66 {
        clients[0].send_text(id, 512 + 256 * u64::from(id % 2), "taken");
    }
    bench.settle();
    drop(clients.pop());
    bench.settle();
    bench.shutdown.ask();
    bench.settle();
    assert_eq!(bench.shutdown.reactors_done(), 0, "a close still waits for the ring");
    bench.engine_stands = false;
    bench.until("the reactor's last word", |bench| (bench.shutdown.reactors_done() == 1).then_some(()));
    assert_eq!(bench.heard.len(), 65);
    let heard = bench.command();
    bench.answer(&heard, AnswerBody::Done);
    bench.shutdown.engine_done();
    bench.shutdown.journal_done();
    assert_eq!(clients[0].frame(&mut bench).id, 2);
    let mut pauses = Vec::new();
    for client in &mut clients {
        let Some(Body::Bye(bye)) = client.frame(&mut bench).body else { panic!("no bye") };
        assert_eq!(bye.code, u32::from(Code::GoingAway.number()));
        pauses.push(bye.retry_ms);
        client.end(&mut bench);
    }
    assert!(json.line(&mut bench).starts_with("{\"bye\":{\"code\":4304,"));
    pauses.dedup();
    assert!(pauses.len() > 1 && pauses.iter().all(|pause| (1..=1_001).contains(pause)), "{pauses:?}");
    bench.until("the end", |bench| bench.reactor.is_finished().then_some(()));
    assert!(std::net::TcpStream::connect(bench.address).is_err(), "nobody listens");
}
