//! The inbound ring, with one producer and with several, each on a thread of its own.

use ringdove_core::ids::Time;
use ringdove_core::rings::inbound_ring;

/// What each producer published arrives once and in its order, however many there are and however full the ring is.
#[test]
fn producers_alone_and_together_lose_and_reorder_nothing() {
    const EACH: u64 = 5_000;
    for producers in [1, 3] {
        let (ends, mut consumer) = inbound_ring(64, 1 << 20, producers);
        let threads: Vec<_> = ends
            .into_iter()
            .enumerate()
            .map(|(index, mut end)| {
                std::thread::spawn(move || {
                    for nth in 0..EACH {
                        while !end.try_publish(|slot| {
                            slot.connection.reactor = index as u8;
                            slot.time = Time(nth);
                            slot.body_mut().extend_from_slice(&nth.to_le_bytes());
                        }) {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut next = vec![0; producers];
        while next.iter().sum::<u64>() < EACH * producers as u64 {
            let taken = consumer.take(16, |slot| {
                let next = &mut next[usize::from(slot.connection.reactor)];
                assert_eq!((slot.time, slot.body()), (Time(*next), &next.to_le_bytes()[..]));
                *next += 1;
            });
            if taken == 0 {
                std::thread::yield_now();
            }
        }
        for thread in threads {
            thread.join().expect("a producer failed");
        }
        assert_eq!(consumer.take(16, |_| ()), 0);
    }
}
