//! Wherever the journal crashes, what was promised is there again: the property behind the three levels.
//!
//! A plan is run against the crashing storage once for each operation that it does, crashing at that one. What is left of the folder
//! is then recovered, after a crash of the process as well as after a loss of power; the recovery crashes at each of its own
//! operations in turn and is run again; and the journal goes on behind it.

use proptest::prelude::*;
use ringdove_core::ids::{Epoch, Position};
use ringdove_persistence::{Durability, Options};

use crate::bench::{Bench, Written, options, replay};
use crate::crashing::{Crash, CrashingStorage, Random, Reached};

/// What is done with the journal.
#[derive(Clone, Debug)]
struct Plan {
    durability: Durability,
    segment_bytes: u64,
    steps: Vec<Step>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A record with a body of so many bytes waits in the ring.
    Publish(usize),
    /// Records with bodies of so many bytes wait there, in one slot.
    Train([usize; 3]),
    /// The journal takes what waits.
    Write,
    /// The preparer runs.
    Prepare,
}

/// What had happened when it crashed.
struct Run {
    storage: CrashingStorage,
    published: Vec<Written>,
    reached: Reached,
    /// The epoch that was opened; `None`: it crashed before.
    epoch: Option<Epoch>,
    survived: bool,
}

fn plans(durability: Durability) -> impl Strategy<Value = Plan> {
    let step = prop_oneof![
        4 => (1_usize..700).prop_map(Step::Publish),
        // a power of two is one flipped bit away from the length 0
        1 => (0_u32..8).prop_map(|power| Step::Publish(1 << power)),
        1 => [1_usize..300, 1..300, 1..300].prop_map(Step::Train),
        3 => Just(Step::Write),
        1 => Just(Step::Prepare),
    ];
    // in the large ones most batches have zeros written ahead
    let segment_bytes = prop_oneof![Just(1024), Just(2048), Just(4096), Just(16_384)];
    (segment_bytes, prop::collection::vec(step, 4..20), any::<u64>())
        .prop_map(move |(segment_bytes, steps, seed)| Plan { durability, segment_bytes, steps, seed })
}

/// Follows the plan in `storage` until its end, or until it crashes.
fn follow(plan: &Plan, storage: CrashingStorage) -> Run {
    let crashed = |storage: &CrashingStorage| Run {
        storage: storage.clone(),
        published: Vec::new(),
        reached: Reached::default(),
        epoch: None,
        survived: false,
    };
    let opened = replay(storage.clone(), options(plan.durability, plan.segment_bytes, &storage.boot()));
    let opened = match opened {
        Ok((opened, _)) => opened,
        Err(_) if storage.is_crashed() => return crashed(&storage),
        Err(error) => panic!("a new journal opens: {error}"),
    };
    storage.watch(&opened.progress);
    let mut bench = Bench::new(opened);
    for step in &plan.steps {
        match *step {
            Step::Train(lens) => {
                if !bench.publish_train(&lens) {
                    bench.write();
                    bench.prepare();
                    bench.publish_train(&lens);
                }
            }
            Step::Publish(len) => {
                if !bench.publish(len) {
                    // as the engine: it waits for the journal and its preparer
                    bench.write();
                    bench.prepare();
                    bench.publish(len);
                }
            }
            Step::Write => bench.write(),
            Step::Prepare => bench.prepare(),
        }
        if storage.is_crashed() {
            break;
        }
    }
    let epoch = Some(bench.epoch());
    let survived = !storage.is_crashed();
    Run { reached: storage.reached(), storage, published: bench.published, epoch, survived }
}

/// The promise: everything below this position is there again.
fn promised(durability: Durability, crash: Crash, reached: Reached) -> Position {
    match (durability, crash) {
        (Durability::Process, Crash::PowerLoss) => reached.synced,
        _ => reached.released,
    }
}

fn assert_prefix(found: &[Written], written: &[Written]) {
    assert!(found.len() <= written.len(), "{} records came out of {}", found.len(), written.len());
    assert_eq!(found, &written[..found.len()], "the records are not those that were written");
}

fn assert_kept(found: &[Written], written: &[Written], promised: Position) {
    assert_prefix(found, written);
    let kept = written.iter().filter(|record| record.end() <= promised).count();
    assert!(found.len() >= kept, "{} of {kept} promised records are left, below {promised}", found.len());
}

/// Recovers what a run left behind, and holds it to the promise.
fn check(plan: &Plan, run: &Run, crash: Crash, random: &mut Random) {
    let left = run.storage.after(crash, random.below(1 << 30) as u64);
    let begin = left.after(Crash::Process, 0);
    let options = options(plan.durability, plan.segment_bytes, &left.boot());
    let (opened, found) = replay(left.clone(), options.clone()).expect("what a crash leaves is no corruption");
    assert_kept(&found, &run.published, promised(plan.durability, crash, run.reached));
    let next = opened.start.cursor.next();
    if let Some(epoch) = run.epoch {
        let is_new = opened.start.epoch > epoch;
        if is_new {
            assert!(next >= run.reached.prepared, "{next} was handed out before: {:?}", run.reached);
        } else {
            assert_eq!(opened.start.epoch, epoch);
            assert!(next >= run.reached.released, "{next} was told already: {:?}", run.reached);
        }
        // a record that was being stored is either whole or not there
        let lost_nothing = plan.durability == Durability::Process && crash == Crash::Process;
        assert!(!(is_new && lost_nothing), "a kill costs no epoch: {:?}", opened.cut);
        let may_have_lost = plan.durability == Durability::Process && crash == Crash::PowerLoss;
        assert!(is_new || !may_have_lost, "what may have been lost is in a new epoch");
    }
    if run.survived || random.below(4) == 0 {
        let certain = promised(plan.durability, Crash::PowerLoss, run.reached);
        interrupt(&begin, &options, &found, certain, random);
    }
    go_on(plan, &left, Bench::new(opened), found, random);
}

/// A recovery that crashes at any of its operations, either way, is run again and finds the same.
fn interrupt(begin: &CrashingStorage, options: &Options, found: &[Written], certain: Position, random: &mut Random) {
    for n in 0.. {
        let folder = begin.after(Crash::Process, random.below(1 << 30) as u64);
        folder.crash_at(n);
        let whole = replay(folder.clone(), options.clone());
        if !folder.is_crashed() {
            assert_eq!(whole.expect("it was not interrupted").1, found);
            return;
        }
        for crash in [Crash::Process, Crash::PowerLoss] {
            let folder = folder.after(crash, random.below(1 << 30) as u64);
            let options = Options { boot: folder.boot(), ..options.clone() };
            let (opened, again) = replay(folder, options).expect("an interrupted recovery goes on");
            // what a process had only in the page cache goes with the power, if nobody synced it meanwhile
            assert_kept(&again, found, certain);
            if crash == Crash::Process {
                assert_eq!(again, found);
            }
            let last = again.last().map_or(Position(0), Written::end);
            assert!(opened.start.cursor.next() >= last);
        }
    }
}

/// Behind a recovery the journal goes on: what was found stays found, after a loss of power and after an end in order.
fn go_on(
    plan: &Plan,
    folder: &CrashingStorage,
    mut bench: Bench<CrashingStorage>,
    mut written: Vec<Written>,
    random: &mut Random,
) {
    // what was replayed has been told from now on, and counts as synced
    let off = folder.after(Crash::PowerLoss, random.below(1 << 30) as u64);
    let (_, found) =
        replay(off.clone(), options(plan.durability, plan.segment_bytes, &off.boot())).expect("it is whole");
    assert_eq!(found, written, "what was recovered is lost by the next loss of power");

    let epoch = bench.epoch();
    for _ in 0..2 + random.below(6) {
        bench.append(1 + random.below(600));
    }
    written.append(&mut bench.published.clone());
    let off = folder.after(Crash::PowerLoss, random.below(1 << 30) as u64);
    let (_, found) = replay(off.clone(), options(plan.durability, plan.segment_bytes, &off.boot()))
        .expect("a torn tail is no corruption");
    let reached =
        Reached { released: bench.progress.released(), synced: bench.progress.synced(), ..Reached::default() };
    assert_kept(&found, &written, promised(plan.durability, Crash::PowerLoss, reached));

    bench.close();
    let off = folder.after(Crash::PowerLoss, random.below(1 << 30) as u64);
    for _ in 0..2 {
        let options = options(plan.durability, plan.segment_bytes, &off.boot());
        let (opened, found) = replay(off.clone(), options).expect("it ended in order");
        assert_eq!(found, written);
        assert_eq!(opened.cut, None);
        assert_eq!(opened.records, written.len() as u64);
        assert_eq!(opened.start.epoch, epoch, "an end in order goes on in the same epoch");
    }
}

/// Crashes at every operation of the plan in turn.
fn crash_everywhere(plan: &Plan) {
    let mut random = Random(plan.seed);
    for n in 0.. {
        let storage = CrashingStorage::new(random.below(1 << 30) as u64);
        storage.crash_at(n);
        let run = follow(plan, storage);
        for crash in [Crash::Process, Crash::PowerLoss] {
            check(plan, &run, crash, &mut random);
        }
        if run.survived {
            return;
        }
    }
}

fn bounded(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 40, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(bounded(32))]

    #[test]
    fn at_level_disk_nothing_that_was_told_is_lost(plan in plans(Durability::Disk)) {
        crash_everywhere(&plan);
    }

    #[test]
    fn at_level_process_a_kill_loses_nothing_and_power_loss_only_what_was_not_synced(plan in plans(Durability::Process)) {
        crash_everywhere(&plan);
    }
}
