//! A log of flights as a reader saw it, and what the functions of `flights` must have made of it: the rules
//! told a second time, over the events themselves.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use super::Web;

/// Thresholds of version 1 and 2: a flight is late from a minute more on.
pub const LATE: [i64; 2] = [15, 30];

/// A version of `flights` that ran for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub late: i64,
    pub version: String,
    pub digest: String,
}

impl Rule {
    /// Of the version that runs in a namespace.
    #[track_caller]
    pub fn of(web: &Web, late: i64) -> Rule {
        let module = web.get("modules/flights").expect(200).json();
        Rule { late, version: text(&module["version"]), digest: text(&module["digest"]) }
    }
}

/// Every event of a log, from the first on.
#[derive(Default)]
pub struct FlightLog {
    /// The first stands at position 1.
    entries: Vec<Entry>,
    names: HashSet<String>,
}

enum Entry {
    Departed {
        flight: String,
        aircraft: Option<String>,
        delay: i64,
    },
    Arrived {
        flight: String,
        aircraft: Option<String>,
        delay: Option<i64>,
    },
    /// An output of a handler.
    Made(Box<Made>),
    /// Other code runs from here on.
    Switched,
    Other,
}

struct Made {
    function: String,
    cause: u64,
    output: Output,
    version: String,
    digest: String,
}

/// Type, subject and data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Output(&'static str, String, String);

const FUNCTIONS: [&str; 2] = ["delays", "knock-on"];

impl FlightLog {
    /// The next event. It must stand behind the last one without a gap, and must not have been there before.
    #[track_caller]
    pub fn take(&mut self, event: &Value) {
        assert_eq!(event["position"], (self.entries.len() + 1).to_string(), "a gap before {event}");
        let name = format!("{} {}", text(&event["source"]), text(&event["id"]));
        assert!(self.names.insert(name), "a second time: {event}");
        let (flight, data) = (text(&event["subject"]), &event["data"]);
        let aircraft = data["tailnum"].as_str().map(str::to_owned);
        self.entries.push(match text(&event["type"]).as_str() {
            "flight.departed" => Entry::Departed { flight, aircraft, delay: data["dep_delay"].as_i64().expect("minutes") },
            "flight.arrived" => Entry::Arrived { flight, aircraft, delay: data["arr_delay"].as_i64() },
            "flight.delayed" => Entry::Made(Made::of(event, "flight.delayed")),
            "aircraft.knock-on" => Entry::Made(Made::of(event, "aircraft.knock-on")),
            "retold.module.deployed" | "retold.module.rolledback" => Entry::Switched,
            _ => Entry::Other,
        });
    }

    /// Positions at which other code took over.
    pub fn switches(&self) -> Vec<u64> {
        self.places().filter(|(_, entry)| matches!(entry, Entry::Switched)).map(|(at, _)| at).collect()
    }

    fn places(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (1..).zip(&self.entries)
    }

    /// Each output is there that must be there, once, and none that must not: up to each switch by one rule,
    /// behind it by the next one. A version that took over went on behind the last event that the one before
    /// it had dealt with. Nobody tells which that was, but it stands before the switch, and the causes of all
    /// outputs before the switch stand before it, and those of all outputs behind the switch behind it.
    ///
    /// Answers for how many events of each stretch and function the two thresholds give different outputs:
    /// where there is none, nothing was shown.
    #[track_caller]
    pub fn check(&self, rules: &[Rule]) -> Vec<usize> {
        let switches = self.switches();
        assert_eq!(switches.len(), rules.len(), "switches at {switches:?}");
        let stretch_of = |position: u64| switches.partition_point(|switch| *switch < position).wrapping_sub(1);
        let mut contested = Vec::new();
        for function in FUNCTIONS {
            let mut found = BTreeMap::new();
            let (mut first_causes, mut last_causes) = (vec![u64::MAX; rules.len()], vec![0; rules.len()]);
            for (position, entry) in self.places() {
                let Entry::Made(made) = entry else { continue };
                if made.function != function {
                    continue;
                }
                let stretch = stretch_of(position);
                let rule = &rules[stretch];
                assert_eq!((&made.version, &made.digest), (&rule.version, &rule.digest), "at {position}");
                assert!(made.cause < position, "at {position}");
                assert!(found.insert(made.cause, (stretch, made.output.clone())).is_none(), "two outputs of {}", made.cause);
                last_causes[stretch] = made.cause.max(last_causes[stretch]);
                first_causes[stretch] = made.cause.min(first_causes[stretch]);
            }
            let borders = borders(rules, &switches, &first_causes, &last_causes);
            let by_rule = LATE.map(|late| self.outputs(function, late));
            let stretch_of_cause = |cause: u64| borders.iter().position(|last| cause <= *last).expect("the last has no end");
            let mut expected = BTreeMap::new();
            let mut differing = vec![0; rules.len()];
            for cause in by_rule.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>() {
                let stretch = stretch_of_cause(*cause);
                let of = |late: i64| LATE.iter().position(|known| *known == late).and_then(|at| by_rule[at].get(cause));
                differing[stretch] += usize::from(of(LATE[0]) != of(LATE[1]));
                if let Some(output) = of(rules[stretch].late) {
                    expected.insert(*cause, (stretch, output.clone()));
                }
            }
            if found != expected {
                let first = |these: &BTreeMap<_, _>, those: &BTreeMap<_, _>| {
                    these.iter().find(|(cause, output)| those.get(*cause) != Some(*output)).map(|one| format!("{one:?}"))
                };
                panic!(
                    "{function}, switches at {switches:?}, handled up to {borders:?}: found {:?}, which should be {:?}",
                    first(&found, &expected),
                    first(&expected, &found)
                );
            }
            contested.extend(differing);
        }
        contested
    }

    /// What a function with this threshold makes of the whole log, by cause.
    fn outputs(&self, function: &str, late: i64) -> BTreeMap<u64, Output> {
        let (mut outputs, mut arrivals) = (BTreeMap::new(), BTreeMap::new());
        for (position, entry) in self.places() {
            match entry {
                Entry::Arrived { flight, aircraft: Some(aircraft), delay } => {
                    arrivals.insert(aircraft, (flight, *delay));
                }
                Entry::Departed { flight, delay, .. } if function == "delays" && *delay > late => {
                    outputs.insert(position, Output("flight.delayed", flight.clone(), json!({ "dep_delay": delay }).to_string()));
                }
                Entry::Departed { flight, aircraft: Some(aircraft), delay } if function == "knock-on" && *delay > late => {
                    if let Some((after, Some(arr_delay))) = arrivals.get(aircraft).filter(|(_, delay)| delay.is_some_and(|it| it > late)) {
                        let data = json!({ "flight": flight, "dep_delay": delay, "after": after, "arr_delay": arr_delay });
                        outputs.insert(position, Output("aircraft.knock-on", aircraft.clone(), data.to_string()));
                    }
                }
                _ => {}
            }
        }
        outputs
    }

    /// The departures, to be counted position by position.
    pub fn departures(&self) -> impl Iterator<Item = (u64, &str, i64)> {
        self.places().filter_map(|(position, entry)| match entry {
            Entry::Departed { flight, delay, .. } => Some((position, flight.as_str(), *delay)),
            _ => None,
        })
    }
}

/// The last event that each version dealt with. Where several would do, whoever says more decides: between
/// its outputs and that event it would have said something.
fn borders(rules: &[Rule], switches: &[u64], first_causes: &[u64], last_causes: &[u64]) -> Vec<u64> {
    let before = |at: usize| {
        if rules[at].late < rules[at + 1].late { last_causes[at] } else { (first_causes[at + 1] - 1).min(switches[at + 1] - 1) }
    };
    (0..rules.len() - 1).map(before).chain([u64::MAX]).collect()
}

impl Made {
    #[track_caller]
    fn of(event: &Value, r#type: &'static str) -> Box<Made> {
        let function = text(&event["source"]).strip_prefix("/functions/").unwrap_or_else(|| panic!("nobody made {event}")).to_owned();
        Box::new(Made {
            function,
            cause: text(&event["causeposition"]).parse().expect("a position"),
            output: Output(r#type, text(&event["subject"]), event["data"].to_string()),
            version: text(&event["moduleversion"]),
            digest: text(&event["moduledigest"]),
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The rows of a view of `flights` by one rule: departed, delayed and minutes by `CARRIER/YYYY-MM`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Months(pub BTreeMap<String, [i64; 3]>);

impl Months {
    pub fn add(&mut self, flight: &str, delay: i64, late: i64) {
        let (carrier, rest) = flight.split_once('/').expect("CARRIER/NUMBER/DATE");
        let (_, date) = rest.split_once('/').expect("CARRIER/NUMBER/DATE");
        let row = self.0.entry(format!("{carrier}/{}", &date[..7])).or_default();
        for (count, more) in row.iter_mut().zip([1, i64::from(delay > late), delay]) {
            *count += more;
        }
    }

    /// As a page of rows has them.
    pub fn of(page: &Value) -> Months {
        let row = |row: &Value| {
            let count = |name: &str| row["value"][name].as_i64().expect("a number");
            (text(&row["key"]), ["departed", "delayed", "delay_minutes"].map(count))
        };
        Months(page["rows"].as_array().expect("rows").iter().map(row).collect())
    }
}
