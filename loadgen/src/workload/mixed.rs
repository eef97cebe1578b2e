//! What a chat does all day: most sends one to one, some to groups, while people come and go, and are told who is there.

use std::collections::VecDeque;

use super::flow::{Flow, Loop, Schedule};
use super::known::Known;
use super::roles::{Chosen, Roles};
use super::{Circle, Clock, Workload};
use crate::crew::Crew;
use crate::latency::Named;
use crate::reports;
use crate::results::Checked;
use crate::system::{Keeps, To};

/// One of so many who are cut off stays away for a while; all others come back at once.
pub const STAYS_AWAY: u64 = 4;
/// How long: longer than presence is held back for those who are back soon.
pub const AWAY_MS: u64 = 500;

/// How much happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Sends a second.
    pub sends: f64,
    /// People who are cut off a second; 0: none.
    pub reconnects: f64,
}

/// Where somebody who comes and goes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    /// There, and has everything.
    There,
    /// Sends nothing any more, and goes as soon as all that they sent is answered.
    Leaving,
    /// Away.
    Away,
    /// On the way back, since then.
    Coming(u64),
    /// Signed in, and reads what was sent meanwhile; on the way since then.
    CatchingUp(u64),
}

/// What is left to do at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// People write.
    Talking,
    /// Nobody writes any more; what was sent has to arrive, and everyone has to come back.
    Draining,
    /// Some left for good, and those who stay have to know that.
    Parting,
}

/// Streams of one to one come first, those of each writer in a row; the groups' streams are behind them.
pub struct Mixed {
    roles: Roles,
    flow: Flow,
    sends: Schedule,
    /// `None`: nobody comes or goes.
    leaves: Option<Schedule>,
    stage: Stage,
    whereabouts: Vec<Whereabouts>,
    /// When each of them signed in last, if they have come back: what was meant for them before had to wait.
    ready_ns: Vec<u64>,
    /// Who leaves as soon as they can.
    leaving: VecDeque<usize>,
    /// Who comes back when.
    away: VecDeque<(u64, usize)>,
    next_comer: usize,
    known: Option<Known>,
    /// Cut off so far.
    cut: u64,
    /// Back so far.
    back: u64,
    keeps: bool,
    /// A client knows when it has everything.
    is_told_how_far: bool,
    to_person: Named,
    to_group: Named,
    to_absent: Named,
    signed_in: Named,
    caught_up: Named,
}

impl Mixed {
    /// A load of these people. `answers`: every send is answered; `keeps`: what is sent to the absent waits for them; with a circle, everyone is
    /// told who of their contacts is there.
    pub fn new(roles: Roles, rates: Rates, answers: bool, keeps: Keeps, circle: Option<Circle>) -> Self {
        let (keeps, is_told_how_far) = (keeps != Keeps::Nothing, keeps == Keeps::AndTellsHowFar);
        let mut flow = Flow::new(roles.people, answers, Loop::Open);
        for who in 0..roles.writers {
            for number in 0..roles.partners() {
                let partner = roles.partner(who, number);
                flow.stream(who, To::Person(partner), std::iter::once(partner));
            }
        }
        for (group, members) in roles.groups.iter().enumerate() {
            flow.stream(members.start, To::Group(group), members.start + 1..members.end);
        }
        let people = roles.people;
        Self {
            roles,
            flow,
            sends: Schedule::new(rates.sends),
            leaves: (rates.reconnects > 0.0).then(|| Schedule::new(rates.reconnects)),
            stage: Stage::Talking,
            whereabouts: vec![Whereabouts::There; people],
            ready_ns: vec![0; people],
            leaving: VecDeque::new(),
            away: VecDeque::new(),
            next_comer: 0,
            known: circle.map(Known::new),
            cut: 0,
            back: 0,
            keeps,
            is_told_how_far,
            to_person: Named::new("delivery one to one", "response"),
            to_group: Named::new("delivery to a group", "response"),
            to_absent: Named::new("delivery to the absent", "response"),
            signed_in: Named::new("back", "response"),
            caught_up: Named::new("caught up", "response"),
        }
    }

    /// Sends what is due. Returns when the next send is.
    fn send(&mut self, crew: &mut Crew, clock: Clock) -> Result<u64, String> {
        let Self { roles, flow, sends, whereabouts, .. } = self;
        flow.send_due(crew, clock, sends, |send| stream(roles, whereabouts, send), |_, _| {})
    }

    /// Has the next ones leave. Returns when the next one does.
    fn leave(&mut self, now_ns: u64) -> Option<u64> {
        let leaves = self.leaves.as_mut()?;
        loop {
            let (meant_ns, _) = leaves.peek();
            if meant_ns > now_ns {
                return Some(meant_ns);
            }
            leaves.advance();
            let count = self.roles.comers.len();
            let mut places = (0..count).map(|far| (self.next_comer + far) % count);
            let free = places.find(|place| self.whereabouts[self.roles.comers[*place]] == Whereabouts::There);
            // where all are under way already, nobody leaves
            if let Some(place) = free {
                let who = self.roles.comers[place];
                self.whereabouts[who] = Whereabouts::Leaving;
                self.leaving.push_back(who);
                self.next_comer = (place + 1) % count;
            }
        }
    }

    /// Cuts those off who were to leave and have all their answers; they come back at once, or a while later.
    fn cut(&mut self, crew: &mut Crew, now_ns: u64) -> Result<(), String> {
        for _ in 0..self.leaving.len() {
            let Some(who) = self.leaving.pop_front() else { break };
            if !self.flow.is_settled(who) {
                self.leaving.push_back(who);
                continue;
            }
            crew.cut(who);
            self.cut += 1;
            if self.cut.is_multiple_of(STAYS_AWAY) {
                self.whereabouts[who] = Whereabouts::Away;
                self.away.push_back((now_ns + AWAY_MS * 1_000_000, who));
            } else {
                self.come(crew, who, now_ns)?;
            }
        }
        Ok(())
    }

    fn come(&mut self, crew: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        self.whereabouts[who] = Whereabouts::Coming(now_ns);
        crew.connect(who)
    }

    /// Has those come back whose time it is. Returns when the next one does.
    fn come_back(&mut self, crew: &mut Crew, now_ns: u64) -> Result<Option<u64>, String> {
        while let Some(&(at_ns, who)) = self.away.front() {
            if at_ns > now_ns {
                return Ok(Some(at_ns));
            }
            self.away.pop_front();
            self.come(crew, who, now_ns)?;
        }
        Ok(None)
    }

    /// Whoever is under way, in words.
    fn under_way(&self) -> Option<String> {
        let count = self.whereabouts.iter().filter(|where_| **where_ != Whereabouts::There).count();
        (count > 0).then(|| format!("{} not back", reports::count(count as u64, "person is", "people are")))
    }

    /// Everything arrived, and all are back: every second one of those who come and go leaves for good.
    fn part(&mut self, crew: &mut Crew) {
        self.stage = Stage::Parting;
        let leave = self.roles.comers.iter().step_by(2);
        for who in leave {
            crew.cut(*who);
            self.cut += 1;
            self.whereabouts[*who] = Whereabouts::Away;
        }
    }
}

/// The stream of a send: whoever is not there is passed over.
fn stream(roles: &Roles, whereabouts: &[Whereabouts], send: u64) -> usize {
    let partners = roles.partners();
    match roles.choose(send) {
        Chosen::Group(group) => roles.writers * partners + group,
        Chosen::Partner(who, number) => {
            let mut all = (0..roles.writers).map(|far| (who + far) % roles.writers);
            // somebody is always there, as a group's writer never leaves
            let who = all.find(|who| whereabouts[*who] == Whereabouts::There).unwrap_or(who);
            who * partners + number
        }
    }
}

impl Workload for Mixed {
    fn begin(&mut self, _: &mut Crew, _: u64) {}

    fn due(&mut self, crew: &mut Crew, clock: Clock) -> Result<Option<u64>, String> {
        let mut next = None;
        if self.stage == Stage::Talking {
            let sends = self.send(crew, clock)?;
            next = Some(self.leave(clock.now_ns()).map_or(sends, |leaves| leaves.min(sends)));
        } else if self.stage == Stage::Draining
            && self.known.is_some()
            && self.under_way().is_none()
            && self.flow.missing_words().is_none()
        {
            self.part(crew);
        }
        self.cut(crew, clock.now_ns())?;
        let back = self.come_back(crew, clock.now_ns())?;
        Ok(next.into_iter().chain(back).min())
    }

    fn answered(&mut self, _: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        self.flow.answered(who, now_ns).map(drop)
    }

    fn delivered(&mut self, _: &mut Crew, who: usize, text: &[u8], now_ns: u64) -> Result<(), String> {
        let Some(arrived) = self.flow.delivered(who, text, now_ns)? else { return Ok(()) };
        // how long somebody stayed away says nothing about the server: it is told apart
        let was_away = arrived.meant_ns < self.ready_ns[who];
        if !was_away {
            self.flow.record(&arrived, now_ns);
        }
        if arrived.counts {
            let is_group = arrived.stream >= self.roles.writers * self.roles.partners();
            let named = match (was_away, is_group) {
                (true, _) => &mut self.to_absent,
                (false, true) => &mut self.to_group,
                (false, false) => &mut self.to_person,
            };
            named.latency.record(arrived.took_ns);
        }
        Ok(())
    }

    fn ready(&mut self, _: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        let Whereabouts::Coming(since_ns) = self.whereabouts[who] else {
            return Err(format!("person {who} was welcomed, and did not come"));
        };
        self.whereabouts[who] = Whereabouts::CatchingUp(since_ns);
        self.back += 1;
        self.ready_ns[who] = now_ns;
        if self.flow.measures(since_ns) {
            self.signed_in.latency.record(now_ns.saturating_sub(since_ns));
        }
        Ok(())
    }

    fn caught_up(&mut self, _: &mut Crew, who: usize, now_ns: u64) -> Result<(), String> {
        // whoever never left may have fallen behind, too
        if let Whereabouts::CatchingUp(since_ns) = self.whereabouts[who] {
            self.whereabouts[who] = Whereabouts::There;
            if self.flow.measures(since_ns) && self.is_told_how_far {
                self.caught_up.latency.record(now_ns.saturating_sub(since_ns));
            }
        }
        Ok(())
    }

    fn presence(&mut self, who: usize, contact: usize, online: bool) -> Result<(), String> {
        self.known.as_mut().map_or(Ok(()), |known| known.news(who, contact, online))
    }

    fn there(&mut self, who: usize, contacts: &[usize], first: bool) -> Result<(), String> {
        self.known.as_mut().map_or(Ok(()), |known| known.list(who, contacts, first))
    }

    fn stop(&mut self) {
        self.stage = Stage::Draining;
    }

    fn measure(&mut self, on: bool, now_ns: u64) {
        self.flow.measure(on, now_ns);
    }

    fn sent(&self) -> u64 {
        self.flow.sent()
    }

    fn counts(&self) -> Checked {
        self.flow.counts()
    }

    fn missing(&self) -> Option<String> {
        if let Some(missing) = self.flow.missing_words() {
            return Some(missing);
        }
        let Some(known) = &self.known else { return self.under_way() };
        if self.stage != Stage::Parting {
            return self.under_way().or_else(|| Some("nobody has left for good".into()));
        }
        let is_there: Vec<_> = self.whereabouts.iter().map(|where_| *where_ == Whereabouts::There).collect();
        known.wrong(&is_there)
    }

    fn latencies(&mut self) -> Vec<&mut Named> {
        let mut all = self.flow.latencies();
        all.extend([
            &mut self.to_person,
            &mut self.to_group,
            &mut self.to_absent,
            &mut self.signed_in,
            &mut self.caught_up,
        ]);
        all
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut figures = vec![("people cut off", self.cut as f64), ("people back", self.back as f64)];
        if !self.keeps {
            figures.push(("people nobody writes to", (self.roles.people - self.roles.writers) as f64));
        }
        if let Some(known) = &self.known {
            figures.push(("presence told", known.told() as f64));
            figures.push(("lists of who is there", known.lists() as f64));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crew::tests::nobody_of;
    use crate::stamp::{STAMP, Stamp};

    fn mixed(circle: Option<Circle>) -> Mixed {
        let rates = Rates { sends: 100.0, reconnects: 10.0 };
        Mixed::new(Roles::new(20, 5, true), rates, true, Keeps::AndTellsHowFar, circle)
    }

    #[test]
    fn whoever_is_not_there_is_passed_over() {
        let mut mixed = mixed(None);
        let sender = |mixed: &Mixed, send| mixed.flow.sender(stream(&mixed.roles, &mixed.whereabouts, send));
        let all: Vec<_> = (0..1_000).map(|send| sender(&mixed, send)).collect();
        let comer = mixed.roles.comers[0];
        assert!(all.contains(&comer));
        mixed.whereabouts[comer] = Whereabouts::Leaving;
        for (send, before) in (0..1_000).zip(all) {
            let now = sender(&mixed, send);
            assert_eq!(now, if before == comer { comer + 1 } else { before });
        }
    }

    #[test]
    fn what_waited_for_somebody_is_told_apart() {
        let mut mixed = mixed(None);
        let mut crew = nobody_of(20);
        mixed.measure(true, 0);
        let reader = mixed.roles.partner(0, 0);
        // the first text was meant before its reader came back
        for (number, ready_ns) in [1, 0].into_iter().enumerate() {
            mixed.flow.send(&mut crew, 0, 0, 0);
            mixed.ready_ns[reader] = ready_ns;
            let mut text = [b'.'; STAMP];
            Stamp { stream: 0, number: number as u64 }.write(&mut text);
            mixed.delivered(&mut crew, reader, &text, 7).unwrap();
        }
        assert_eq!(mixed.counts().deliveries, 2);
        for (of, count) in [("delivery to the absent", 1), ("delivery one to one", 1), ("delivery", 1)] {
            let named = mixed.latencies().into_iter().find(|named| named.of == of && named.kind == "response");
            assert_eq!(named.unwrap().latency.total().len(), count, "{of}");
        }
    }

    #[test]
    fn people_leave_in_turns_and_nobody_twice() {
        let mut mixed = mixed(None);
        let comers = mixed.roles.comers.clone();
        // ten a second, the first at once
        assert_eq!(mixed.leave(250_000_000), Some(300_000_000));
        assert_eq!(mixed.leaving, &comers[..3]);
        mixed.leave(10_000_000_000);
        assert_eq!(mixed.leaving, comers, "all are under way, and nobody is left");
    }

    #[test]
    fn a_run_is_over_when_those_who_stay_know_who_left() {
        let circle = Circle::new(20, 4);
        let mut mixed = mixed(Some(circle));
        for who in 0..20 {
            mixed.there(who, &circle.of(who).collect::<Vec<_>>(), true).unwrap();
        }
        mixed.stop();
        assert!(mixed.missing().is_some(), "nobody has left yet");
        mixed.part(&mut nobody_of(20));
        let left: Vec<_> = mixed.roles.comers.iter().copied().step_by(2).collect();
        assert!(mixed.missing().unwrap().contains("presence"), "nobody was told");
        for who in &left {
            circle.of(*who).for_each(|contact| mixed.presence(contact, *who, false).unwrap());
        }
        assert_eq!(mixed.missing(), None);
        mixed.presence(circle.of(left[0]).next().unwrap(), left[0], true).unwrap();
        assert!(mixed.missing().is_some(), "somebody was told what is not true");
    }
}
