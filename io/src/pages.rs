//! The page reader: an agent on a thread of its own that reads missed entries from the journal. It may wait for the disk (a page fault in
//! the map), and no ring waits for it.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use ringdove_core::agent::Agent;
use ringdove_core::ids::{ConnectionId, Position, UserId, Version};
use ringdove_core::record::Records;
use ringdove_core::rings::{Doorbell, Shutdown};
use ringdove_core::wire::hot::{self, Heading, Names, NewTail};
use ringdove_core::wire::record;

use crate::config::PAGE_BYTES;
use crate::mailbox::{Letter, Mailbox, ReadPage};

/// Pages that one turn reads at most.
const PAGES: usize = 16;

/// A page to be read.
#[derive(Debug)]
pub(crate) struct PageOrder {
    pub connection: ConnectionId,
    pub user: UserId,
    /// Version of the first entry; the others follow without a hole.
    pub first: Version,
    pub positions: Vec<Position>,
}

/// The way to the page reader, for reactors.
#[derive(Clone)]
pub struct PageDesk {
    orders: Sender<(Mailbox, PageOrder)>,
    bell: Arc<Doorbell>,
}

impl PageDesk {
    /// Hands an order in. Returns false if the queue is full: the client is told to come again.
    pub(crate) fn try_order(&self, from: &Mailbox, order: PageOrder) -> bool {
        let taken = self.orders.try_send((from.clone(), order)).is_ok();
        if taken {
            self.bell.ring();
        }
        taken
    }
}

/// The page reader's end of its queue.
pub struct PageQueue {
    orders: Receiver<(Mailbox, PageOrder)>,
}

/// A queue of `capacity` pages. `bell` wakes the thread of the page reader.
pub fn page_queue(capacity: usize, bell: Arc<Doorbell>) -> (PageDesk, PageQueue) {
    let (sender, receiver) = bounded(capacity.max(1));
    (PageDesk { orders: sender, bell }, PageQueue { orders: receiver })
}

/// Reads pages and posts them back to the reactors that ordered them.
pub struct PageReader {
    queue: PageQueue,
    records: Box<dyn Records>,
    shutdown: Arc<Shutdown>,
    /// A page whose reactor had no room for it.
    unposted: Option<(Mailbox, Letter)>,
    body: Vec<u8>,
    tail: Vec<u8>,
}

impl PageReader {
    /// A reader of `records`, which ends when the journal is done and nothing is left to be read.
    pub fn new(queue: PageQueue, records: Box<dyn Records>, shutdown: Arc<Shutdown>) -> Self {
        Self { queue, records, shutdown, unposted: None, body: Vec::new(), tail: Vec::new() }
    }

    fn read(&mut self, order: &PageOrder) -> ReadPage {
        let mut page = ReadPage {
            connection: order.connection,
            list: Vec::new(),
            last: Version(order.first.0.saturating_sub(1)),
            cut: false,
            gone: false,
        };
        for position in &order.positions {
            if !self.read_entry(order.user, *position) {
                page.gone = true;
                break;
            }
            let begin = page.list.len();
            // all but the first follow from the one before
            let version = if begin == 0 { order.first.0 } else { 0 };
            hot::put_listed(&mut page.list, version, &self.tail);
            if begin > 0 && page.list.len() > PAGE_BYTES {
                page.list.truncate(begin);
                page.cut = true;
                break;
            }
            page.last = Version(page.last.0 + 1);
        }
        page
    }

    /// Leaves in `tail` the entry at `position` as `viewer` sees it. Returns false if it cannot be told any more.
    fn read_entry(&mut self, viewer: UserId, position: Position) -> bool {
        self.body.clear();
        self.tail.clear();
        let Some(head) = self.records.read(position, &mut self.body) else { return false };
        let Some(entry) = record::as_entry(&self.body) else { return false };
        let names = Names::for_viewer(viewer.0, entry.from, entry.user, entry.group);
        let heading = Heading::new(names, head.time.0);
        NewTail { heading: &heading, ordinal: entry.ordinal, content: entry.content }.put(&mut self.tail);
        true
    }
}

impl Agent for PageReader {
    fn name(&self) -> &'static str {
        "pages"
    }

    fn do_work(&mut self) -> usize {
        for done in 0..PAGES {
            if let Some((to, letter)) = self.unposted.take()
                && let Err(letter) = to.try_post(letter)
            {
                self.unposted = Some((to, letter));
                // not idle: nobody rings when the box has room
                return done + 1;
            }
            let Ok((to, order)) = self.queue.orders.try_recv() else { return done };
            let page = self.read(&order);
            self.unposted = to.try_post(Letter::Page(page)).err().map(|letter| (to, letter));
        }
        PAGES
    }

    fn is_finished(&self) -> bool {
        self.shutdown.is_journal_done() && self.queue.orders.is_empty()
    }
}
