//! What a system can be put under: each load with its settings, its cast, and how it is run against a server that is there.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use crate::fleet::{Fleet, Measured, Timing};
use crate::latency::Named;
use crate::onlooker::Onlooker;
use crate::process::{self, Family};
use crate::results::Case;
use crate::system::{Cast, Keeps, System, Target};
use crate::workload::{
    AWAY_MS, Circle, Fanout, Mixed, Pace, Pair, Rates, Roles, STAYS_AWAY, SignIn, Storm, Weather, Workload,
};

/// Long enough for what a sign-in leaves behind to settle.
const SETTLE: Duration = Duration::from_secs(1);

/// Contacts of each person in a mixed load, where people are told who is there.
const CONTACTS: usize = 20;

/// The name of pairs on systems that keep what they answer.
pub const DURABLE: &str = "durable";

/// A load.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// Pairs of people.
    Pair {
        /// How many.
        pairs: usize,
        /// Bytes of a text.
        payload: usize,
        /// `None`: round trips.
        pace: Option<Pace>,
        /// `pair`; `durable` where what is compared are answers of what is on disk.
        name: &'static str,
    },
    /// Groups.
    Fanout {
        /// How many.
        groups: usize,
        /// Members of each, the sender among them.
        members: usize,
        /// Bytes of a text.
        payload: usize,
        /// How much is sent.
        pace: Pace,
    },
    /// People who write to each other and to groups, come and go, and are told who is there.
    Mixed {
        /// How many write.
        people: usize,
        /// Members of each group, its writer among them.
        members: usize,
        /// Bytes of a text.
        payload: usize,
        /// How much happens.
        rates: Rates,
        /// `mixed`; `soak` where it goes on for hours.
        name: &'static str,
    },
    /// Everyone loses their connection and comes back, while a few go on writing.
    Storm {
        /// Who and how often.
        weather: Weather,
        /// Bytes of a text.
        payload: usize,
    },
    /// Connections that say nothing.
    Idle {
        /// How many.
        connections: usize,
    },
    /// People who connect, sign in and leave.
    SignIn {
        /// How many there are.
        people: usize,
        /// How many are on their way at a time.
        at_once: usize,
    },
}

/// What a load came to.
pub struct Outcome {
    /// What was counted.
    pub measured: Measured,
    /// What was recorded.
    pub latencies: Vec<Named>,
    /// More figures, the unit at the end of each name.
    pub figures: Vec<(&'static str, f64)>,
    /// Open connections, and what process and kernel took for each.
    pub connections: Connections,
    /// Why it counts for nothing, as whoever looked on says.
    pub void: Vec<String>,
}

/// What connections took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connections {
    /// How many were open when it was measured.
    pub count: u64,
    /// By how much the server's own memory grew while they came, in bytes.
    pub process: u64,
    /// By how much the kernel's grew.
    pub kernel: u64,
}

impl Load {
    /// Its name and settings.
    pub fn case(&self) -> Case {
        let (workload, settings) = match self {
            Self::Pair { pairs, payload, pace, name } => {
                (*name, vec![("pairs", pairs.to_string()), ("payload", payload.to_string()), pace_words(*pace)])
            }
            Self::Fanout { groups, members, payload, pace } => (
                "fanout",
                vec![
                    ("groups", groups.to_string()),
                    ("members", members.to_string()),
                    ("payload", payload.to_string()),
                    pace_words(Some(*pace)),
                ],
            ),
            Self::Mixed { people, members, payload, rates, name } => (
                *name,
                vec![
                    ("people", people.to_string()),
                    ("members", members.to_string()),
                    ("to-groups", "20 %".to_owned()),
                    ("payload", payload.to_string()),
                    ("rate", rates.sends.to_string()),
                    ("reconnects", rates.reconnects.to_string()),
                    ("away", format!("one of {STAYS_AWAY} reconnects for {AWAY_MS} ms, the others not at all")),
                    ("who-reconnects", "members; as many others where nothing is kept for the absent".to_owned()),
                    ("presence", format!("{CONTACTS} contacts each, where it is told")),
                ],
            ),
            Self::Storm { weather, payload } => (
                "storm",
                vec![
                    ("pairs", weather.pairs.to_string()),
                    ("payload", payload.to_string()),
                    ("rate", weather.rate.to_string()),
                    ("people", weather.people.to_string()),
                    ("storms", weather.storms.to_string()),
                ],
            ),
            Self::Idle { connections } => ("idle", vec![("connections", connections.to_string())]),
            Self::SignIn { people, at_once } => {
                ("sign-in", vec![("people", people.to_string()), ("at-once", at_once.to_string())])
            }
        };
        let settings: BTreeMap<_, _> = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Case { workload: workload.to_owned(), settings }
    }

    /// Whether a system can do this.
    ///
    /// # Errors
    /// What it cannot do.
    pub fn suits(&self, system: &dyn System) -> Result<(), &'static str> {
        if self.case().workload == DURABLE && !system.is_durable() {
            return Err("it keeps nothing of what it answers");
        }
        system.suits(&self.cast(system))
    }

    /// Who takes part on this system.
    pub fn cast(&self, system: &dyn System) -> Cast {
        match *self {
            Self::Pair { pairs, pace, .. } => Cast { people: 2 * pairs, one_way: pace.is_some(), ..Cast::default() },
            Self::Fanout { groups, members, .. } => Cast {
                people: groups * members,
                groups: (0..groups).map(|group| group * members..(group + 1) * members).collect(),
                ..Cast::default()
            },
            Self::Mixed { people, members, .. } => {
                let roles = Roles::new(people, members, system.keeps() != Keeps::Nothing);
                let circle = self.circle(system);
                Cast { people: roles.people, groups: roles.groups, circle, one_way: false }
            }
            Self::Storm { weather, .. } => Cast { people: 2 * weather.pairs + weather.people, ..Cast::default() },
            Self::Idle { connections } => Cast { people: connections, circle: self.circle(system), ..Cast::default() },
            Self::SignIn { people, .. } => Cast { people, ..Cast::default() },
        }
    }

    /// Who has whom as a contact.
    fn circle(&self, system: &dyn System) -> Option<Circle> {
        match *self {
            Self::Mixed { people, members, .. } if system.tells_presence() => {
                let roles = Roles::new(people, members, system.keeps() != Keeps::Nothing);
                Some(Circle::new(roles.people, CONTACTS))
            }
            Self::Idle { connections } if system.tells_presence() && connections > CONTACTS => {
                Some(Circle::new(connections, CONTACTS))
            }
            _ => None,
        }
    }

    /// How long a run takes at least, once its server listens.
    pub fn at_least(&self, timing: Timing) -> Duration {
        timing.at_least().saturating_add(match *self {
            Self::Storm { weather, .. } => weather.at_least(),
            // before anyone comes, and when everyone has
            Self::Idle { .. } => 2 * SETTLE,
            _ => Duration::ZERO,
        })
    }

    /// Sends a second that are meant, if a schedule says that.
    pub fn offered(&self) -> Option<f64> {
        match *self {
            Self::Pair { pace: Some(Pace::Rate(rate)), .. } | Self::Fanout { pace: Pace::Rate(rate), .. } => Some(rate),
            Self::Mixed { rates, .. } => Some(rates.sends),
            Self::Storm { weather, .. } => Some(weather.rate),
            _ => None,
        }
    }

    fn payload(&self) -> usize {
        match *self {
            Self::Pair { payload, .. }
            | Self::Fanout { payload, .. }
            | Self::Mixed { payload, .. }
            | Self::Storm { payload, .. } => payload,
            Self::Idle { .. } | Self::SignIn { .. } => crate::stamp::STAMP,
        }
    }

    /// How many people of the first places are looked after before all others.
    fn first(&self) -> usize {
        if let Self::Storm { weather, .. } = self { 2 * weather.pairs } else { 0 }
    }

    /// Whether everyone is connected before it begins.
    fn gathers(&self) -> bool {
        !matches!(self, Self::SignIn { .. })
    }

    /// Puts it on a server, and lets somebody look on.
    ///
    /// # Errors
    /// The system cannot do it, refuses, or a connection broke; or whoever looks on ends it.
    pub fn run(
        &self,
        system: &dyn System,
        target: &Target,
        timing: Timing,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Outcome, String> {
        let cast = self.cast(system);
        self.suits(system)?;
        let book = system.prepare(target, &cast)?;
        let mut fleet = Fleet::new(target, &*book, cast.people, self.first(), self.payload())?;
        let mut workload = self.workload(system, timing);
        let mut connections = Connections::default();
        if self.gathers() {
            let weighs = matches!(self, Self::Idle { .. });
            let weigh = || -> Result<(u64, u64), String> {
                if weighs {
                    thread::sleep(SETTLE);
                }
                let own = target.pid.map(|pid| Family::of(pid).memory()).transpose()?.unwrap_or_default();
                Ok((own.anonymous, process::kernel_memory()?))
            };
            let before = weigh()?;
            fleet.gather(0..cast.people, &mut *workload)?;
            let after = weigh()?;
            connections = Connections {
                count: cast.people as u64,
                process: after.0.saturating_sub(before.0),
                kernel: after.1.saturating_sub(before.1),
            };
        }
        onlooker.gathered()?;
        let server = target.pid.map(Family::of);
        let measured = fleet.run(&mut *workload, timing, server.as_ref(), &self.case().workload, onlooker)?;
        let mut figures = workload.figures();
        if measured.syncs > 0 {
            figures.push(("syncs", measured.syncs as f64));
        }
        // everyone is still there
        let void = onlooker.ended(&measured, &mut figures)?;
        let latencies = workload.latencies().into_iter().filter(|named| !named.latency.total().is_empty());
        Ok(Outcome { measured, latencies: latencies.map(|named| named.clone()).collect(), figures, connections, void })
    }

    fn workload(&self, system: &dyn System, timing: Timing) -> Box<dyn Workload> {
        let (answers, keeps) = (system.answers(), system.keeps());
        match *self {
            Self::Pair { pairs, pace, .. } => Box::new(Pair::new(pairs, answers, pace)),
            Self::Fanout { groups, members, pace, .. } => Box::new(Fanout::new(groups, members, answers, pace)),
            Self::Mixed { people, members, rates, .. } => {
                let roles = Roles::new(people, members, keeps != Keeps::Nothing);
                Box::new(Mixed::new(roles, rates, answers, keeps, self.circle(system)))
            }
            Self::Storm { weather, .. } => Box::new(Storm::new(weather, timing.duration, answers)),
            Self::Idle { .. } => Box::new(Pair::new(0, answers, Some(Pace::Window(0)))),
            Self::SignIn { at_once, .. } => Box::new(SignIn::new(at_once)),
        }
    }
}

fn pace_words(pace: Option<Pace>) -> (&'static str, String) {
    match pace {
        None => ("pace", "round trip".into()),
        Some(Pace::Window(window)) => ("window", window.to_string()),
        Some(Pace::Rate(rate)) => ("rate", rate.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::named;

    #[test]
    fn only_those_who_keep_what_they_answer_can_be_durable() {
        let load = Load::Pair { pairs: 1, payload: 64, pace: Some(Pace::Window(1)), name: DURABLE };
        for (name, can) in
            [("ringdove-disk", true), ("floor-synced", true), ("redis-streams", true), ("jetstream", true)]
                .into_iter()
                .chain(["floor", "redis", "nats", "mosquitto-qos1", "ringdove-memory"].map(|name| (name, false)))
        {
            assert_eq!(load.suits(named(name).unwrap()).is_ok(), can, "{name}");
        }
    }

    #[test]
    fn a_group_that_ringdove_has_never_room_for_is_refused_before_it_is_started() {
        let suits = |members, name| {
            let load = Load::Fanout { groups: 2, members, payload: 64, pace: Pace::Window(1) };
            load.suits(named(name).unwrap()).is_ok()
        };
        assert!(suits(10_000, "ringdove") && !suits(10_001, "ringdove-disk") && suits(10_001, "floor"));
    }
}
