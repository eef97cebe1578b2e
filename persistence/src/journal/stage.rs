//! The journal as a stage of the pipeline: no reactor sees a slot before its record is as durable as was promised.

use std::io;
use std::sync::Arc;

use ringdove_core::agent::Agent;
use ringdove_core::ids::Position;
use ringdove_core::record::{RecordHead, record_len};
use ringdove_core::rings::{CommitGate, Doorbell, Progress, Shutdown};
use ringdove_core::wire::record::is_talk;

use super::segment::{HEADER_BYTES, RecordBytes};
use super::segments::{Segments, segment_name};
use super::storage::{Storage, StorageFile};

/// What a message that was told has survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: it is lost with the process.
    Memory,
    /// A crash of the process (`kill -9`): it is in the page cache.
    Process,
    /// A loss of power: one sync for each batch came before.
    Disk,
}

/// The journal broke. It has latched: nothing is written or shown any more, and the process must end.
#[derive(Debug)]
pub struct Fault {
    /// What was being done, to which file.
    pub what: String,
    /// How it failed.
    pub error: io::Error,
}

/// How the journal is tied to the other stages.
pub struct Ties {
    /// The journal's end of the commit ring.
    pub gate: CommitGate,
    /// Told how far the journal is.
    pub progress: Arc<Progress>,
    /// The threads that read the commit ring behind the journal.
    pub readers: Vec<Arc<Doorbell>>,
    /// The thread of the preparer.
    pub preparer: Arc<Doorbell>,
    /// The shutdown handshake.
    pub shutdown: Arc<Shutdown>,
    /// Called once if the journal breaks.
    pub on_fault: Box<dyn Fn(Fault) + Send>,
}

/// So many slots are taken in a turn; at level `disk` they share one sync.
const BATCH: u64 = 512;
/// Pages are made present so far ahead of the writer.
const POPULATE: u64 = 128 << 10;
/// Level process: from so many bytes on a batch goes to its file with a system call. Below, stores into the map are faster; above, they are
/// slower, for each page then has to be made present first.
const MANY: usize = 1 << 10;
/// Level process: zeros are written ahead of the batches in portions of so many bytes, at multiples of it; of a quarter of a segment, if that is
/// less. The system makes few large pages of such a portion and many small ones of batches that begin anywhere, and large ones cost a third less, from the first
/// write to the end of the sync. A batch that goes half a portion beyond the zeros makes large pages itself.
const FILLED: u64 = 256 << 10;
/// Level process: a batch is written when it has so many bytes, however many slots still wait.
const LARGEST: usize = 256 << 10;

/// Level disk: while a batch grows it is looked at again, at most so often, before it is written. A sync costs as much as some 70
/// messages, and a turn of the other stages next to nothing.
const LOOKS: u32 = 4;

/// The stage that writes.
pub struct Journal<S: Storage> {
    writer: Writer<S>,
    ties: Ties,
    state: Stage,
    /// Level disk: the slots that waited when the batch was last looked at, and how often it was.
    looked: (usize, u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Writing,
    /// Something broke: nothing is written or shown any more.
    Latched,
    Finished,
}

/// Where and how records are written.
struct Writer<S: Storage> {
    segments: Arc<Segments<S>>,
    durability: Durability,
    file: Arc<S::File>,
    index: u64,
    /// Position of the file's first byte.
    base: u64,
    /// CRC of the last header of this epoch, 0 before its first.
    chain: u32,
    /// The last record; 0: none yet.
    last: Position,
    /// Offset behind the last record, in the segment.
    end: u64,
    populated: u64,
    /// Zeros have been written up to here, ahead of a batch or behind one.
    filled: u64,
    /// Bytes of a portion of them.
    portion: u64,
    /// Not at level memory: what is written when the batch is whole, and where it begins in the segment.
    batch: Vec<u8>,
    batch_at: u64,
    synced: Position,
}

impl<S: Storage> Journal<S> {
    pub(crate) fn new(
        segments: Arc<Segments<S>>,
        durability: Durability,
        next: Position,
        chain: u32,
        ties: Ties,
    ) -> io::Result<Self> {
        let index = next.0 / segments.bytes;
        let file = segments.get(index).ok_or(io::ErrorKind::NotFound)?;
        let segments_bytes = segments.bytes;
        let end = next.0 % segments_bytes;
        segments.landmarks.tell(next);
        let writer = Writer {
            segments,
            durability,
            file,
            index,
            base: index * segments_bytes,
            chain,
            last: Position(0),
            end,
            populated: end,
            filled: 0,
            portion: FILLED.min(segments_bytes / 4),
            batch: Vec::with_capacity(1 << 20),
            batch_at: end,
            synced: next,
        };
        Ok(Self { writer, ties, state: Stage::Writing, looked: (0, 0) })
    }

    /// Level disk: whether more has come since the last look, so that even more may come in the next turn and share the sync.
    fn is_growing(&mut self) -> bool {
        let (before, looks) = self.looked;
        let waiting = self.ties.gate.waiting();
        let grows = waiting > before && waiting < BATCH as usize && looks < LOOKS;
        self.looked = if grows { (waiting, looks + 1) } else { (0, 0) };
        grows
    }

    /// Writes what waits. The guard is dropped only when all of it is durable.
    fn write(&mut self) -> Result<usize, Fault> {
        let Self { writer, ties, .. } = self;
        writer.synced = ties.progress.synced();
        let Some(mut guard) = ties.gate.take(BATCH) else { return Ok(0) };
        let mut slots = 0;
        let mut written = None;
        let index = writer.index;
        for slot in &mut guard {
            slots += 1;
            let mut appended = Ok(());
            slot.each_record(|head, body| {
                if appended.is_ok() {
                    appended = writer.append(head, body).map(|end| written = Some(end));
                }
            });
            if let Err(fault) = appended {
                // dropping it would show the slots to the reactors
                std::mem::forget(guard);
                return Err(fault);
            }
        }
        if let Some(end) = written {
            if let Err(fault) = writer.flush() {
                std::mem::forget(guard);
                return Err(fault);
            }
            if writer.durability == Durability::Disk {
                ties.progress.sync(end);
            }
            ties.progress.release(end);
            writer.segments.landmarks.pass(writer.last, writer.chain);
        }
        drop(guard);
        for reader in &ties.readers {
            reader.ring();
        }
        if writer.index != index {
            ties.preparer.ring();
        }
        Ok(slots)
    }

    fn end(&mut self) -> Result<(), Fault> {
        let end = self.ties.progress.released();
        if self.writer.durability != Durability::Memory {
            self.writer.sync_from(self.ties.progress.synced())?;
            self.ties.progress.sync(end);
        }
        self.ties.shutdown.journal_done();
        self.ties.readers.iter().for_each(|reader| reader.ring());
        self.ties.preparer.ring();
        Ok(())
    }
}

impl<S: Storage> Agent for Journal<S> {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn do_work(&mut self) -> usize {
        if self.state != Stage::Writing {
            return 0;
        }
        // read before the ring: what the engine published before it said so is in it
        let last = self.ties.shutdown.is_engine_done();
        if self.writer.durability == Durability::Disk && !last && self.is_growing() {
            return 1;
        }
        let result = match self.write() {
            Ok(0) if last => self.end().map(|()| {
                self.state = Stage::Finished;
                0
            }),
            written => written,
        };
        result.unwrap_or_else(|fault| {
            self.state = Stage::Latched;
            (self.ties.on_fault)(fault);
            0
        })
    }

    fn is_finished(&self) -> bool {
        self.state == Stage::Finished
    }
}

impl<S: Storage> Writer<S> {
    /// Writes one record where the engine placed it, and returns its end.
    fn append(&mut self, head: RecordHead, body: &[u8]) -> Result<Position, Fault> {
        let bytes = self.segments.bytes;
        if head.position.0 - self.base >= bytes {
            self.turn_page(head.position.0 / bytes)?;
        }
        let offset = head.position.0 - self.base;
        assert!(offset >= self.end, "the engine placed a record into another: {offset} < {}", self.end);
        let mut header = [0; HEADER_BYTES];
        let crc = RecordBytes::encode(&mut header, head, body, self.synced, self.chain);
        let len = record_len(body.len());
        if self.durability == Durability::Memory {
            self.populate(offset + len);
            self.file.store(offset + HEADER_BYTES as u64, body);
            self.file.store(offset, &header);
        } else {
            if self.durability == Durability::Process && self.batch.len() >= LARGEST {
                self.flush()?;
            }
            if self.batch.is_empty() {
                self.batch_at = offset;
            }
            self.batch.resize((offset - self.batch_at) as usize, 0);
            self.batch.extend_from_slice(&header);
            self.batch.extend_from_slice(body);
        }
        let end = Position(head.position.0 + len);
        if !is_talk(body) {
            self.segments.landmarks.tell(end);
        }
        self.chain = crc;
        self.last = head.position;
        self.end = offset + len;
        Ok(end)
    }

    /// Goes to the next segment, which the engine's credit says is prepared.
    fn turn_page(&mut self, index: u64) -> Result<(), Fault> {
        self.flush()?;
        let missing = || Fault {
            what: format!("segment {} is not there", segment_name(index)),
            error: io::ErrorKind::NotFound.into(),
        };
        self.file = self.segments.get(index).ok_or_else(missing)?;
        self.index = index;
        self.base = index * self.segments.bytes;
        self.end = 0;
        self.populated = 0;
        self.filled = 0;
        self.batch_at = 0;
        Ok(())
    }

    /// Brings the batch into its file; at level disk also to the disk, with one sync.
    fn flush(&mut self) -> Result<(), Fault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let result = match self.durability {
            Durability::Disk => self.file.write(self.batch_at, &self.batch).and_then(|()| self.file.sync()),
            _ => self.put_in_one(),
        };
        self.batch.clear();
        result.map_err(|error| Fault { what: format!("writing {}", segment_name(self.index)), error })
    }

    /// Writes the batch so that a crash of the process leaves all of it or none: the first record's length comes last, and without it
    /// nothing stands there but an unfinished record, which the next start zeroes.
    fn put_in_one(&mut self) -> io::Result<()> {
        let (at, end) = (self.batch_at, self.batch_at + self.batch.len() as u64);
        let mut length = [0; 4];
        length.copy_from_slice(&self.batch[..4]);
        if self.batch.len() < MANY {
            self.populate(end);
            self.file.store(at + 4, &self.batch[4..]);
        } else {
            self.make_large_pages(end)?;
            self.batch[..4].fill(0);
            self.file.write(at, &self.batch)?;
        }
        self.file.store_last(at, u32::from_le_bytes(length));
        Ok(())
    }

    /// Sees to it that the pages up to `end` are large: by zeros ahead of the batch, never below it, where records stand; or, if the batch makes half a
    /// portion of them itself, by zeros behind it, written with it, up to where the next one makes large ones again.
    fn make_large_pages(&mut self, end: u64) -> io::Result<()> {
        let (bytes, half) = (self.segments.bytes, self.portion / 2);
        if end.saturating_sub(self.filled.max(self.batch_at)) >= half {
            self.filled = end.next_multiple_of(half).min(bytes);
            self.batch.resize((self.filled - self.batch_at) as usize, 0);
            return Ok(());
        }
        self.filled = self.filled.max(self.batch_at.next_multiple_of(self.portion));
        while self.filled < end {
            let len = (self.portion - self.filled % self.portion).min(bytes - self.filled);
            self.file.write_zeros(self.filled, len)?;
            self.filled += len;
        }
        Ok(())
    }

    /// Makes the pages below `end`, and some ahead, present.
    fn populate(&mut self, end: u64) {
        if end > self.populated {
            let bytes = self.segments.bytes;
            let from = self.populated.max(self.batch_at).next_multiple_of(4096).min(bytes);
            self.populated = (end + POPULATE).next_multiple_of(4096).min(bytes);
            self.file.populate(from, self.populated.saturating_sub(from));
        }
    }

    fn sync_from(&self, synced: Position) -> Result<(), Fault> {
        // behind a record that filled its segment, the position is one of the next segment
        let from = (synced.0 / self.segments.bytes).min(self.index);
        for file in self.segments.range(from, self.index) {
            file.sync().map_err(|error| Fault { what: "syncing the journal".into(), error })?;
        }
        Ok(())
    }
}
