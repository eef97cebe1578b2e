//! Signals: frames that are stored nowhere, and what becomes of those that find no room.

use prost::Message;
use ringdove_core::rings::{AnswerBody, Command};
use ringdove_core::wire::v1::{self, ServerFrame, client_frame::Request, server_frame::Body, signal};
use ringdove_io::Counter;

use crate::bench::{Bench, Client, Setup};

fn presence(from: u64) -> ServerFrame {
    let presence = v1::Presence { state: v1::State::Online.into(), ..v1::Presence::default() };
    let what = Some(signal::What::Presence(presence));
    ServerFrame { id: 0, body: Some(Body::Signal(v1::Signal { from, to: None, what })) }
}

fn tell(bench: &mut Bench, to: &Client, frame: &ServerFrame) {
    let recipient = to.recipient(0, false);
    let bytes = frame.encode_to_vec();
    bench.slot(|slot| {
        slot.signal = true;
        slot.recipients[0].push(recipient);
        slot.set_payload(&bytes);
        slot.content = (0, bytes.len() as u32);
    });
}

#[test]
fn a_signal_is_written_as_it_is_and_moves_no_version() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 3, 3);
    tell(&mut bench, &client, &presence(512));
    assert_eq!(client.frame(&mut bench), presence(512));
    // in NOTICE mode nothing is shown, so nothing is told
    client.ask(4, Request::Mode(v1::Mode::Notice as i32));
    assert_eq!(client.frame(&mut bench).id, 4);
    tell(&mut bench, &client, &presence(768));
    client.ask(5, Request::Mode(v1::Mode::Push as i32));
    assert_eq!(client.frame(&mut bench).id, 5);
    assert_eq!(bench.counted(Counter::Signals), 1);
}

/// Whoever does not read costs a bounded buffer; a notice says that something was left out.
#[test]
fn signals_without_room_become_a_notice() {
    let mut setup = Setup::default();
    setup.config.out_buffer = 4096;
    let mut bench = Bench::new(setup);
    let mut client = bench.signed_in(256, 0, 0);
    // large ones, as the kernel's buffers are full sooner then
    let custom = v1::Custom { data: vec![7; 3_000], ..v1::Custom::default() };
    let large = v1::Signal { from: 512, to: None, what: Some(signal::What::Custom(custom)) };
    let large = ServerFrame { id: 0, body: Some(Body::Signal(large)) };
    let mut told = 0;
    while bench.counted(Counter::SignalsDropped) == 0 {
        tell(&mut bench, &client, &large);
        told += 1;
    }
    let (mut heard, mut noticed) = (0, false);
    // each was heard or dropped, and that some were is told
    while !noticed || heard + bench.counted(Counter::SignalsDropped) < told {
        match client.frame(&mut bench).body {
            Some(Body::Signal(_)) => heard += 1,
            Some(Body::Notice(notice)) => noticed = (notice.version, notice.unread) == (0, 0),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard + bench.counted(Counter::SignalsDropped), told);
}

#[test]
fn what_a_client_chooses_to_show_is_asked_of_the_engine() {
    let mut bench = Bench::new(Setup::default());
    let mut client = bench.signed_in(256, 0, 0);
    let choose = |state: i32| {
        let presence = v1::Presence { state, ..v1::Presence::default() };
        Request::Signal(v1::Signal { what: Some(signal::What::Presence(presence)), ..v1::Signal::default() })
    };
    client.ask(2, choose(v1::State::Invisible as i32));
    let heard = bench.command();
    assert_eq!(heard.command, Command::ChoosePresence { state: v1::State::Invisible as u32 });
    bench.answer(&heard, AnswerBody::Done);
    assert_eq!(client.frame(&mut bench).id, 2);
    for wrong in [v1::State::Offline as i32, 99] {
        client.ask(3, choose(wrong));
        let Some(Body::Refusal(refusal)) = client.frame(&mut bench).body else { panic!() };
        assert_eq!((&*refusal.name, &*refusal.field), ("INVALID", "state"));
    }
}
