//! Pulls: pages of missed entries, and notices that there are some.
//!
//! From the slot that lists a page's records to the moment that the page is written, everything that must stay behind it is held. If the
//! page reaches the end, what was held follows it and the connection is LIVE: no version twice, none left out.

use ringdove_core::ids::{Position, Version};
use ringdove_core::rings::Page;
use ringdove_core::wire::{Code, Refusal, hot};

use super::Edge;
use super::output::put_refusal;
use crate::config::{BUSY_RETRY_MS, NOTICE_MS};
use crate::connection::{Aside, Connection, Pull, Stage};
use crate::counters::Counter;
use crate::mailbox::ReadPage;
use crate::pages::PageOrder;

impl Edge {
    /// The engine has listed the records of a page.
    pub(super) fn pull(&mut self, key: u32, id: u32, page: &Page, positions: &[Position]) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if positions.is_empty() {
            connection.sync = 0;
            if !page.more {
                connection.caught_up(page.head);
            }
            return self.output.answer(key, connection, |out| hot::put_entries(out, id, &[], page.more, false, 0));
        }
        let order = PageOrder {
            connection: connection.id(self.index, key),
            user: page.user,
            first: page.first,
            positions: positions.to_vec(),
        };
        if self.pages.try_order(&self.mailbox, order) {
            connection.aside = Some(Box::new(Aside::Pull(Pull::new(id, *page))));
        } else {
            connection.sync = 0;
            let busy = Refusal::of(Code::Busy).retry(BUSY_RETRY_MS);
            self.output.answer(key, connection, |out| put_refusal(out, id, busy));
        }
    }

    /// The page was read: it goes out, and behind it what was held.
    pub(super) fn page_read(&mut self, read: &ReadPage) {
        let key = read.connection.key;
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.generation != read.connection.generation || connection.stage.is_ending() {
            return;
        }
        let Some(Aside::Pull(mut pull)) = connection.aside.take().map(|aside| *aside) else { return };
        connection.sync = 0;
        self.output.counters.count(Counter::Pages);
        if read.gone {
            self.page_gone(key, &mut pull);
        } else {
            self.page_written(key, &mut pull, read);
        }
        self.resume(key);
    }

    fn page_written(&mut self, key: u32, pull: &mut Pull, read: &ReadPage) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let ends = !pull.page.more && !read.cut && !pull.dropped;
        let mut owes = false;
        if ends {
            // in NOTICE mode nothing was held, and something may have come
            owes = connection.quiet && connection.head > pull.page.head;
            let told = if owes { pull.page.head } else { connection.head.max(pull.page.head) };
            connection.caught_up(told);
        } else {
            pull.drop_pushes();
            connection.stage = Stage::Behind;
            connection.sent = read.last;
        }
        self.output.at_once(key, connection, |out| {
            hot::put_entries(out, pull.request, &read.list, !ends, false, 0);
            out.extend_from_slice(&pull.held);
        });
        if owes {
            connection.stage = Stage::Behind;
            self.owe_notice(key);
        }
    }

    /// What was asked for cannot be told any more: the device is LIVE where it is, and reads lists.
    fn page_gone(&mut self, key: u32, pull: &mut Pull) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        pull.drop_pushes();
        let head = connection.head.max(pull.page.head);
        connection.caught_up(head);
        self.output.at_once(key, connection, |out| {
            hot::put_entries(out, pull.request, &[], false, true, head.0);
            out.extend_from_slice(&pull.held);
        });
    }

    /// Writes the notice that is due, unless the last one was less than a second ago.
    pub(super) fn notice(&mut self, key: u32) {
        let now = self.clock.tick();
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if connection.noticed != crate::clock::Tick(0) && now < connection.noticed.after(NOTICE_MS) {
            return self.arm(key);
        }
        self.write_notice(key);
    }

    /// Writes a notice now.
    pub(super) fn write_notice(&mut self, key: u32) {
        let now = self.clock.tick();
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        connection.notice_due = false;
        connection.noticed = now;
        let (head, unread) = (connection.head, unread(connection));
        self.output.counters.count(Counter::Notices);
        self.output.at_once(key, connection, |out| hot::put_notice(out, 0, head.0, unread));
    }
}

/// Entries that wait for the device.
fn unread(connection: &Connection) -> u32 {
    let Version(head) = connection.head;
    let heard = connection.sent.max(connection.acked);
    u32::try_from(head.saturating_sub(heard.0)).unwrap_or(u32::MAX)
}
