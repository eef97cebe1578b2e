//! Replayed state equals live state, for random conversations and whatever the engine took in a turn.

mod bench;
mod deeds;

use bench::Bench;
use deeds::{PEOPLE, deed, put, put_alone};
use proptest::prelude::*;
use ringdove_core::engine::Limits;
use ringdove_core::ids::ConnectionId;
use ringdove_core::rings::{Answer, AnswerBody};
use ringdove_core::wire::Refusal;

/// Who was refused what, and why.
fn refusals(answers: &[Answer]) -> Vec<(ConnectionId, u32, Refusal)> {
    let refusal = |answer: &Answer| match answer.body {
        AnswerBody::Refused(refusal) => Some((answer.connection, answer.request, refusal)),
        _ => None,
    };
    answers.iter().filter_map(refusal).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn replay_equals_live_state_at_any_batch_size(
        deeds in prop::collection::vec(deed(), 1..120),
        batch in prop_oneof![Just(1_u64), 2..9_u64, Just(256)],
        at_once in 1..40_usize,
        slots in prop_oneof![Just(64_usize), Just(512)],
    ) {
        let mut bench = Bench::new(Limits { group: 4, devices: 3, page: 5, contacts: 3, requests: 2, ..Limits::default() }, slots, batch);
        for person in 1..=PEOPLE as u32 {
            bench.register(person, &format!("p{person}xx"));
        }
        let mut one_by_one = Bench::new(Limits { group: 4, devices: 3, page: 5, contacts: 3, requests: 2, ..Limits::default() }, 512, 1);
        for person in 1..=PEOPLE as u32 {
            one_by_one.register(person, &format!("p{person}xx"));
        }
        let mut told = Vec::new();
        let mut told_one_by_one = Vec::new();
        let mut answered = Vec::new();
        let mut answered_one_by_one = Vec::new();
        let (mut paged, mut paged_one_by_one) = (Vec::new(), Vec::new());
        let mut refused = Vec::new();
        let mut refused_one_by_one = Vec::new();
        for (nth, chunk) in deeds.chunks(at_once).enumerate() {
            for (within, deed) in chunk.iter().enumerate() {
                // a train has a request for each of its messages
                let request = (1 + 8 * (nth * at_once + within)) as u32;
                put(&mut bench, request, deed);
                put_alone(&mut one_by_one, request, deed);
                let seen = one_by_one.run();
                told_one_by_one.extend(seen.told);
                answered_one_by_one.extend(seen.sent);
                paged_one_by_one.extend(seen.pages);
                refused_one_by_one.extend(refusals(&seen.answers));
            }
            let seen = bench.run();
            told.extend(seen.told);
            answered.extend(seen.sent);
            paged.extend(seen.pages);
            refused.extend(refusals(&seen.answers));
        }
        let live = bench.engine.state().digest();
        prop_assert_eq!(bench.replayed().digest(), live);
        prop_assert_eq!(bench.replayed().sessions(), bench.engine.state().sessions());
        // how many commands a turn took changes nothing at all, nor whether messages came as a train
        prop_assert_eq!(one_by_one.engine.state().digest(), live);
        prop_assert_eq!(told, told_one_by_one);
        prop_assert_eq!(answered, answered_one_by_one);
        prop_assert_eq!(paged, paged_one_by_one);
        prop_assert_eq!(refused, refused_one_by_one);
        prop_assert_eq!(bench.records, one_by_one.records);
    }
}
