//! What a reactor has to be told.

use ringdove_core::ids::Epoch;

/// Limits that are announced in Welcome and enforced as announced. See the protocol's section "Limits".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame from a client, its length prefix not counted. At most 65,536.
    pub frame: u32,
    /// Bytes of one text, in UTF-8.
    pub text: u32,
    /// Members of one group. Enforced by the engine.
    pub group: u32,
    /// Entries of one page. Enforced by the engine; a page also ends at 64 KiB.
    pub page: u32,
    /// Requests of one connection that wait for their answers; above it the socket is not read.
    pub unanswered: u32,
    /// Sends a second on one connection; 0: as many as they like.
    pub rate: u32,
    /// Sends that may come at once after a silence.
    pub burst: u32,
    /// Newest entries of an inbox that are kept. Enforced by the engine.
    pub window: u32,
    /// How long a message may be changed, in milliseconds.
    pub amend_ms: u32,
    /// How long an idempotency key is kept, in milliseconds.
    pub key_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 65_536,
            text: 16_384,
            group: 500,
            page: 1_000,
            unanswered: 1_000,
            rate: 30,
            burst: 60,
            window: 1_024,
            amend_ms: 120_000,
            key_ms: 600_000,
        }
    }
}

/// Configuration of every reactor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactorConfig {
    /// The limits that clients are told.
    pub limits: Limits,
    /// Bytes that may wait for a connection that does not read. A push that does not fit makes the connection fall BEHIND.
    pub out_buffer: usize,
    /// From the accept to the hello, in milliseconds. Time in our own queues does not count.
    pub hello_timeout_ms: u64,
    /// Failed hellos of one connection before it is sent away, at least 1.
    pub attempts: u8,
    /// Shortest silence that a client may promise to stay below, in milliseconds.
    pub idle_least_ms: u32,
    /// Longest such silence, in milliseconds.
    pub idle_most_ms: u32,
    /// What a client gets that asks for none, in milliseconds.
    pub idle_default_ms: u32,
    /// How long a connection that we close may take to read our bye, in milliseconds.
    pub linger_ms: u64,
    /// An acknowledgement that finds nothing to ride on goes alone, but not more often than this, in milliseconds.
    pub ack_alone_ms: u64,
    /// What this server calls itself in Welcome: `ringdove/<version>`.
    pub server: String,
    /// Whether anyone may make an account.
    pub registration: bool,
    /// The journal's epoch, for the admin door's figures.
    pub epoch: Epoch,
    /// The journal's UUID, for the same.
    pub journal: String,
}

impl Default for ReactorConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            out_buffer: 256 * 1024,
            hello_timeout_ms: 10_000,
            attempts: 5,
            idle_least_ms: 15_000,
            idle_most_ms: 900_000,
            idle_default_ms: 60_000,
            linger_ms: 2_000,
            ack_alone_ms: 10_000,
            server: concat!("ringdove/", env!("CARGO_PKG_VERSION")).to_owned(),
            registration: true,
            epoch: Epoch(1),
            journal: String::new(),
        }
    }
}

/// Bytes of one frame before Welcome.
pub(crate) const GREETING_FRAME: usize = 4_096;
/// Bytes of all frames before Welcome.
pub(crate) const GREETING_BYTES: usize = 8_192;
/// What one read takes at most from a socket.
pub(crate) const READ_CHUNK: usize = 64 * 1024;
/// Bytes of a length prefix at most.
pub(crate) const PREFIX: usize = 3;
/// Notices of one connection are at least so far apart, in milliseconds.
pub(crate) const NOTICE_MS: u64 = 1_000;
/// What a client is told when one of our queues is full, in milliseconds.
pub(crate) const BUSY_RETRY_MS: u32 = 1_000;
/// What a client is told after too many failed attempts, in milliseconds.
pub(crate) const ATTEMPTS_RETRY_MS: u32 = 60_000;
/// A page ends before it has more bytes than this, unless one entry alone does.
pub(crate) const PAGE_BYTES: usize = 64 * 1024;
