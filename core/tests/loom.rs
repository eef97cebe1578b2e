//! Every interleaving of the lock-free code around the rings. Run with `RUSTFLAGS="--cfg loom" cargo test -p ringdove-core
//! --test loom --release`. loom cannot see into the disruptor crate, so a ring is modelled as its cursor: a release store by
//! the one side, an acquire load by the other. loom models fences that are SeqCst, and the signals use no other SeqCst.
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread;
use ringdove_core::ids::Position;
use ringdove_core::rings::{Doorbell, Landmarks, Progress, Shutdown, SpaceSignal};

/// A doorbell whose wakes are counted: an eventfd that remembers, as the real one does.
fn counted() -> (std::sync::Arc<Doorbell>, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let bell = Doorbell::new(Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    (std::sync::Arc::new(bell), wakes)
}

/// The sleeper arms, looks once more, and sleeps only if it saw nothing. Returns what it saw.
fn arm_and_look(bell: &Doorbell, ring: &AtomicU64) -> u64 {
    bell.arm();
    let seen = ring.load(Ordering::Acquire);
    if seen > 0 {
        bell.disarm();
    }
    seen
}

#[test]
fn whoever_sleeps_is_woken_by_what_it_did_not_see() {
    loom::model(|| {
        let (bell, wakes) = counted();
        let ring = Arc::new(AtomicU64::new(0));
        let producer = {
            let (bell, ring) = (std::sync::Arc::clone(&bell), Arc::clone(&ring));
            thread::spawn(move || {
                ring.store(1, Ordering::Release);
                bell.ring();
            })
        };
        let seen = arm_and_look(&bell, &ring);
        producer.join().unwrap();
        assert!(seen == 1 || wakes.load(Ordering::SeqCst) == 1, "slept through a publication");
    });
}

#[test]
fn two_producers_wake_a_sleeper_at_least_once_and_for_each_sleep_at_most_once() {
    loom::model(|| {
        let (bell, wakes) = counted();
        let rings = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
        let producers: Vec<_> = rings
            .iter()
            .map(|ring| {
                let (bell, ring) = (std::sync::Arc::clone(&bell), Arc::clone(ring));
                thread::spawn(move || {
                    ring.store(1, Ordering::Release);
                    bell.ring();
                })
            })
            .collect();
        bell.arm();
        let seen: u64 = rings.iter().map(|ring| ring.load(Ordering::Acquire)).sum();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        let woken = wakes.load(Ordering::SeqCst);
        assert!(seen == 2 || woken == 1, "slept through a publication: saw {seen}, woken {woken} times");
        assert!(woken <= 1, "one sleep was paid for twice");
    });
}

#[test]
fn a_producer_that_met_a_full_ring_hears_of_space() {
    loom::model(|| {
        let (bell, wakes) = counted();
        let signal = Arc::new(SpaceSignal::new(std::sync::Arc::clone(&bell)));
        let drained = Arc::new(AtomicU64::new(0));
        let consumer = {
            let (signal, drained) = (Arc::clone(&signal), Arc::clone(&drained));
            thread::spawn(move || {
                drained.store(1, Ordering::Release);
                signal.freed();
            })
        };
        // the ring was full: wait, try once more, then go to sleep like any thread
        signal.wait();
        let mut published = drained.load(Ordering::Acquire) == 1;
        if !published {
            bell.arm();
            published = drained.load(Ordering::Acquire) == 1;
        }
        consumer.join().unwrap();
        assert!(published || wakes.load(Ordering::SeqCst) == 1, "waits for ever for space that is there");
    });
}

#[test]
fn shutdown_loses_no_command_and_no_slot() {
    loom::model(|| {
        let shutdown = Arc::new(Shutdown::new());
        let inbound = Arc::new(AtomicU64::new(0));
        let commit = Arc::new(AtomicU64::new(0));
        let written = Arc::new(AtomicU64::new(0));
        shutdown.ask();
        let reactor = {
            let (shutdown, inbound) = (Arc::clone(&shutdown), Arc::clone(&inbound));
            thread::spawn(move || {
                assert!(shutdown.is_asked());
                inbound.store(1, Ordering::Release);
                shutdown.reactor_done();
            })
        };
        let engine = {
            let (shutdown, inbound, commit) = (Arc::clone(&shutdown), Arc::clone(&inbound), Arc::clone(&commit));
            thread::spawn(move || {
                // the stage reads the handshake before the ring
                let last = shutdown.reactors_done() == 1;
                let command = inbound.load(Ordering::Acquire);
                if last {
                    assert_eq!(command, 1, "the engine ended with a command in its ring");
                    commit.store(1, Ordering::Release);
                    shutdown.engine_done();
                }
            })
        };
        let last = shutdown.is_engine_done();
        if last {
            assert_eq!(commit.load(Ordering::Acquire), 1, "the journal ended with a slot in its ring");
            written.store(1, Ordering::Release);
            shutdown.journal_done();
        }
        reactor.join().unwrap();
        engine.join().unwrap();
        if shutdown.is_journal_done() {
            assert_eq!(written.load(Ordering::Acquire), 1);
        }
    });
}

#[test]
fn whoever_reads_a_position_finds_what_stands_below_it() {
    loom::model(|| {
        let progress = Arc::new(Progress::new(Position(0), Position(64)));
        let bytes = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let journal = {
            let (progress, bytes) = (Arc::clone(&progress), Arc::clone(&bytes));
            thread::spawn(move || {
                for (nth, byte) in bytes.iter().enumerate() {
                    byte.store(7, Ordering::Relaxed);
                    progress.release(Position(nth as u64 + 1));
                    progress.sync(Position(nth as u64 + 1));
                }
            })
        };
        let synced = progress.synced().0;
        let released = progress.released().0;
        assert!(released >= synced, "something is on disk that may not be told");
        for byte in &bytes[..released as usize] {
            assert_eq!(byte.load(Ordering::Relaxed), 7, "a position was handed over before its bytes");
        }
        journal.join().unwrap();
    });
}

/// The story: the journal ended and had synced all, while its preparer, which had been at it with less, said so behind it. The end was not
/// noted as one in order.
#[test]
fn what_is_on_disk_does_not_become_less() {
    loom::model(|| {
        let progress = Arc::new(Progress::new(Position(0), Position(64)));
        progress.release(Position(2));
        let preparer = {
            let progress = Arc::clone(&progress);
            thread::spawn(move || progress.sync(Position(1)))
        };
        progress.sync(Position(2));
        preparer.join().unwrap();
        assert_eq!(progress.synced(), progress.released());
    });
}

/// Someone who follows the writer and passes over talk never passes over a record that says more, however the two meet.
#[test]
fn landmarks_lead_past_talk_only() {
    loom::model(|| {
        let landmarks = std::sync::Arc::new(Landmarks::new());
        let progress = std::sync::Arc::new(Progress::new(Position(64), Position(1_000)));
        landmarks.tell(Position(64));
        let writer = {
            let (landmarks, progress) = (std::sync::Arc::clone(&landmarks), std::sync::Arc::clone(&progress));
            thread::spawn(move || {
                // talk in 64..100, then a record of interest in 100..200
                progress.release(Position(100));
                landmarks.pass(Position(64), 1);
                landmarks.tell(Position(200));
                progress.release(Position(200));
                landmarks.pass(Position(100), 2);
            })
        };
        let end = progress.released();
        let sight = landmarks.look();
        assert!(
            sight.last < Position(100) || sight.telling == Position(200),
            "{sight:?} leads past a record of interest"
        );
        if end == Position(200) {
            assert_eq!(landmarks.look().telling, Position(200), "what is released was told before");
        }
        writer.join().unwrap();
    });
}
