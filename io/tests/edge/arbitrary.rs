//! Arbitrary bytes never panic the reactor, and where they are cut changes nothing.

use proptest::prelude::*;
use ringdove_core::rings::{AnswerBody, Command};
use ringdove_core::wire::v1::{self, client_frame::Request};

use crate::bench::{Bench, Client, Setup, framed, request_frame, text_to, welcome};

/// What the engine heard: request, acknowledgement, command, body.
type Heard = (u32, u64, Command, Vec<u8>);

/// What the engine hears from a client that writes `bytes`, cut at `cuts`, and how much that client is told.
fn heard(bytes: &[u8], cuts: &[usize], signed_in: bool) -> (Vec<Heard>, Vec<v1::ServerFrame>) {
    let mut bench = Bench::new(Setup { inbound: 64, ..Setup::default() });
    let mut client = if signed_in { bench.signed_in(256, 9, 9) } else { Client::silent(&mut bench) };
    let mut begin = 0;
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    for end in cuts.into_iter().chain([bytes.len()]) {
        // the connection may have ended already
        let _ = std::io::Write::write_all(&mut client.socket, &bytes[begin..end]);
        begin = end;
        for _ in 0..4 {
            bench.turn();
        }
    }
    bench.settle();
    let commands: Vec<_> = std::mem::take(&mut bench.heard)
        .into_iter()
        .filter(|heard| heard.command != Command::Closed)
        .map(|heard| (heard.request, heard.ack, heard.command, heard.body))
        .collect();
    let mut told = Vec::new();
    while signed_in && let Some(frame) = client.frame_now() {
        told.push(frame);
    }
    (commands, told)
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let send = (any::<u8>(), 0_u64..3, ".{0,40}")
        .prop_map(|(id, user, text)| request_frame(u32::from(id), Request::Send(text_to(user, &text))));
    let others = prop_oneof![
        Just(Vec::new()),
        (0_u8..20).prop_map(|version| vec![0x10, version]),
        Just(request_frame(3, Request::Mode(0))),
        Just(request_frame(4, Request::Get(v1::Get::default()))),
        Just(request_frame(5, Request::Bye(v1::Bye::default()))),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    prop_oneof![3 => send, 2 => others].prop_map(|frame| framed(&frame))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn where_the_bytes_are_cut_changes_nothing(
        frames in proptest::collection::vec(request(), 0..20),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes = frames.concat();
        prop_assert_eq!(heard(&bytes, &cuts, true), heard(&bytes, &[], true));
    }

    #[test]
    fn arbitrary_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        dialect in 0_usize..3,
        cuts in proptest::collection::vec(any::<usize>(), 0..4),
    ) {
        let begin: &[u8] = [&b""[..], b"\xD0ve\x01", b"{"][dialect];
        heard(&[begin, &bytes].concat(), &cuts, false);
        heard(&bytes, &cuts, true);
    }
}

/// After whatever anyone sent, the next one is served.
#[test]
fn a_reactor_that_has_seen_much_still_serves() {
    let mut bench = Bench::new(Setup::default());
    for byte in 0..=255 {
        let mut client = Client::silent(&mut bench);
        let _ = std::io::Write::write_all(&mut client.socket, &[byte; 64]);
        bench.turn();
    }
    let mut client = Client::connect(&mut bench);
    client.hello();
    let hello = bench.command();
    bench.answer(&hello, AnswerBody::Welcome(welcome(256, 0, 0)));
    assert_eq!(client.frame(&mut bench).id, 1);
}
