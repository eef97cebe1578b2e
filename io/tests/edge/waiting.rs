//! Small answers wait while each poll finds something: not for ever, and nothing overtakes them on their own connection.

use ringdove_core::wire::v1::server_frame::Body;
use ringdove_io::Counter;

use crate::bench::{Bench, Client, Setup, sent};

/// Somebody who asks, somebody who pings all the time, and a bench whose polls therefore find something.
fn busy() -> (Bench, Client, Client) {
    let mut bench = Bench::new(Setup::default());
    let asker = bench.signed_in(256, 0, 0);
    let busy = bench.signed_in(512, 0, 0);
    bench.settle();
    (bench, asker, busy)
}

/// A turn whose poll finds a ping.
fn busy_turn(bench: &mut Bench, busy: &mut Client) {
    busy.ping();
    bench.turn();
}

#[test]
fn an_answer_comes_though_others_go_on_writing() {
    let (mut bench, mut asker, mut busy) = busy();
    bench.say(asker.id, 7, sent(1));
    // each takes some microseconds, so many of them far longer than an answer may wait
    let answer = (0..300_000).find_map(|_| {
        busy_turn(&mut bench, &mut busy);
        busy.everything();
        asker.frame_now()
    });
    assert_eq!(answer.map(|frame| frame.id), Some(7));
}

#[test]
fn nothing_overtakes_an_answer_that_waits() {
    let (mut bench, mut asker, mut busy) = busy();
    let before = bench.counted(Counter::Writes);
    bench.say(asker.id, 7, sent(1));
    busy_turn(&mut bench, &mut busy);
    // unless the machine stood still for a moment, and the time was up
    let waited = bench.counted(Counter::Writes) == before;
    // an entry for several goes right to the socket of whoever has nothing else to write
    bench.push(&[asker.recipient(2, false), busy.recipient(1, false)], 768, 256, 1, "news");
    busy_turn(&mut bench, &mut busy);
    let frames = [asker.frame(&mut bench), asker.frame(&mut bench)];
    assert_eq!(frames[0].id, 7, "it waited: {waited}");
    let Some(Body::Entry(entry)) = &frames[1].body else { panic!("{:?}", frames[1]) };
    assert_eq!((frames[1].id, entry.version), (0, 2));
}

#[test]
fn answers_that_wait_are_written_together() {
    let (mut bench, mut asker, mut busy) = busy();
    // what takes longer than answers may wait is no failure: then it is tried again
    let together = (0..1_000).any(|nth| {
        bench.settle();
        let before = bench.counted(Counter::Writes);
        for request in [1, 2] {
            bench.say(asker.id, 10 * nth + request, sent(u64::from(2 * nth + request)));
            busy_turn(&mut bench, &mut busy);
        }
        let waited = bench.counted(Counter::Writes) == before;
        bench.settle();
        let frames = [asker.frame(&mut bench).id, asker.frame(&mut bench).id];
        assert_eq!(frames, [10 * nth + 1, 10 * nth + 2]);
        // both answers, and both pongs
        waited && bench.counted(Counter::Writes) == before + 2
    });
    assert!(together);
}
