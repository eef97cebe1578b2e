//! A journal on its own: the real stages between a commit ring's two ends, with a script in the engine's place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringdove_core::agent::Agent;
use ringdove_core::ids::{Epoch, Position, Time};
use ringdove_core::record::{Cursor, RecordHead};
use ringdove_core::rings::{CommitConsumer, CommitProducer, Doorbell, Progress, Shutdown, TrainEntry, commit_ring};
use ringdove_persistence::{Durability, Fault, Journal, JournalError, Opened, Options, Storage, Ties, recover};

/// A record as it was written or read back.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) head: RecordHead,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} bytes {}", self.head.position, self.body.len(), crc32c::crc32c(&self.body))
    }
}

impl Written {
    pub(crate) fn end(&self) -> Position {
        Position(self.head.position.0 + ringdove_core::record::record_len(self.body.len()))
    }
}

/// Faults that were reported, in words.
pub(crate) type Faults = Arc<Mutex<Vec<String>>>;

/// The time of a bench's preparer. It stands still until it is moved, so that a machine that does changes nothing.
#[derive(Clone)]
pub(crate) struct Hands(Arc<Mutex<Instant>>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// So much time passes.
    pub(crate) fn pass(&self, time: Duration) {
        *self.0.lock() += time;
    }

    fn read(&self) -> Instant {
        *self.0.lock()
    }
}

/// The stages of an opened journal, run by hand.
pub(crate) struct Bench<S: Storage> {
    pub(crate) opened: Opened<S>,
    pub(crate) hands: Hands,
    pub(crate) progress: Arc<Progress>,
    /// What the script has published, whether it was written or not.
    pub(crate) published: Vec<Written>,
    pub(crate) faults: Faults,
    producer: CommitProducer,
    journal: Journal<S>,
    preparer: Box<dyn Agent>,
    consumer: CommitConsumer,
    shutdown: Arc<Shutdown>,
    cursor: Cursor,
    time: Time,
    salt: u64,
}

/// Options of a journal with small segments that syncs whenever its preparer runs.
pub(crate) fn options(durability: Durability, segment_bytes: u64, boot: &str) -> Options {
    Options {
        segment_bytes,
        durability,
        sync_every: Duration::ZERO,
        memory_bytes: 3 * segment_bytes,
        new_uuid: *b"0123456789abcdef",
        boot: boot.into(),
        folder: "1:2".into(),
    }
}

/// Starts, and collects what is replayed.
pub(crate) fn replay<S: Storage>(storage: S, options: Options) -> Result<(Opened<S>, Vec<Written>), JournalError> {
    let mut records = Vec::new();
    let collect = |head, body: &[u8]| {
        records.push(Written { head, body: body.to_vec() });
        Ok(())
    };
    let opened = recover(storage, options, collect, |_, _| {})?;
    Ok((opened, records))
}

/// A body whose bytes tell which record it is; none of it is zero.
fn body(salt: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| ((salt.wrapping_mul(31) + at as u64 * 7) % 255 + 1) as u8).collect()
}

impl<S: Storage> Bench<S> {
    /// Ties an opened journal to a ring of its own.
    pub(crate) fn new(opened: Opened<S>) -> Self {
        let (producer, gate, mut consumers) = commit_ring(64, 1);
        let faults = Faults::default();
        let shutdown = Arc::new(Shutdown::new());
        let report = |faults: &Faults| -> Box<dyn Fn(Fault) + Send> {
            let faults = Arc::clone(faults);
            Box::new(move |fault| faults.lock().push(format!("{}: {}", fault.what, fault.error)))
        };
        let bell = || Arc::new(Doorbell::new(Box::new(|| {})));
        let ties = Ties {
            gate,
            progress: Arc::clone(&opened.progress),
            readers: vec![bell()],
            preparer: bell(),
            shutdown: Arc::clone(&shutdown),
            on_fault: report(&faults),
        };
        let journal = opened.journal(ties).expect("the segment to go on in is there");
        let hands = Hands::new();
        let now = hands.clone();
        let preparer = opened.preparer(Arc::clone(&shutdown), report(&faults), Box::new(move || now.read()));
        Self {
            hands,
            progress: Arc::clone(&opened.progress),
            published: Vec::new(),
            faults,
            producer,
            journal,
            preparer: Box::new(preparer),
            consumer: consumers.remove(0),
            shutdown,
            cursor: opened.start.cursor,
            time: opened.start.time,
            salt: opened.start.cursor.next().0,
            opened,
        }
    }

    /// Publishes a record as the engine does; false: there is no room for it in what is prepared.
    pub(crate) fn publish(&mut self, len: usize) -> bool {
        self.salt += 1;
        self.publish_body(body(self.salt, len))
    }

    /// Publishes a record with this body.
    pub(crate) fn publish_body(&mut self, body: Vec<u8>) -> bool {
        let (position, end) = self.cursor.place(body.len());
        if end > self.progress.prepared() || self.producer.credit() == 0 {
            return false;
        }
        self.time = Time(self.time.0 + 1);
        let head = RecordHead { position, epoch: self.opened.start.epoch, time: self.time };
        assert!(self.producer.try_publish(|slot| {
            slot.record = Some(head);
            slot.record_len = body.len() as u32;
            slot.set_payload(&body);
        }));
        self.cursor.advance(end);
        self.published.push(Written { head, body });
        true
    }

    /// Publishes the records of a train as the engine does, in one slot; false: there is no room for all of them.
    pub(crate) fn publish_train(&mut self, lens: &[usize]) -> bool {
        let (mut cursor, mut payload, mut train, mut written) = (self.cursor, Vec::new(), Vec::new(), Vec::new());
        let time = Time(self.time.0 + 1);
        for len in lens {
            self.salt += 1;
            let body = body(self.salt, *len);
            let (position, end) = cursor.place(body.len());
            cursor.advance(end);
            payload.extend_from_slice(&body);
            train.push(TrainEntry { request: 1, position, end: payload.len() as u32, content: (0, 0) });
            let head = RecordHead { position, epoch: self.opened.start.epoch, time };
            written.push(Written { head, body });
        }
        if cursor.next() > self.progress.prepared() || self.producer.credit() == 0 {
            return false;
        }
        (self.cursor, self.time) = (cursor, time);
        assert!(self.producer.try_publish(|slot| {
            slot.record = written.first().map(|first| first.head);
            slot.train = train;
            slot.set_payload(&payload);
        }));
        self.published.extend(written);
        true
    }

    /// Lets the journal take what waits.
    pub(crate) fn write(&mut self) {
        while self.turn() > 0 {}
    }

    /// One turn of the journal.
    pub(crate) fn turn(&mut self) -> usize {
        self.journal.do_work()
    }

    /// Lets the preparer run: at level process it syncs, and it makes a segment where one is missing.
    pub(crate) fn prepare(&mut self) {
        self.preparer.do_work();
    }

    /// Publishes and writes one record, with a segment prepared for it if need be.
    pub(crate) fn append(&mut self, len: usize) {
        if !self.publish(len) {
            self.prepare();
            assert!(self.publish(len), "no room for a record of {len} bytes");
        }
        self.write();
    }

    /// The positions that a reactor gets to see now.
    pub(crate) fn seen(&mut self) -> Vec<Position> {
        let mut positions = Vec::new();
        self.consumer.take(64, |slots| positions.extend(slots.iter().filter_map(|slot| Some(slot.record?.position))));
        positions
    }

    /// Drains and ends in order.
    pub(crate) fn close(mut self) -> Vec<Written> {
        self.shutdown.engine_done();
        while !self.journal.is_finished() {
            self.write();
        }
        assert!(self.shutdown.is_journal_done());
        assert!(*self.faults.lock() == [""; 0]);
        self.opened.close().expect("the note is written");
        self.published
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.opened.start.epoch
    }
}
