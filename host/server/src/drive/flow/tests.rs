//! The graph of small flows, and what is odd about them.

use std::convert::Infallible;

use retold_engine::model::{
    ADDRESSEE, COMMAND_REFUSED, ConsumerSettings, Digest, Emitted, FailurePolicy, FunctionKind, FunctionManifest, Kind, LimitsAsked,
    Missed, NewEvent, Position, REQUEST_REPLIED, REQUEST_URL, RecordBuilder, Schedule, Start, TIMER_KEY, Timestamp,
};
use retold_engine::store::{FunctionStatus, TypeCount};

use super::build::{Declared, Parts, build};
use super::graph::{Graph, Link};
use super::lints::{Level, Lint, lints};
use super::tally::Tally;

fn function(name: &str, kind: FunctionKind, subscribes: &[&str], emits: &[&str]) -> Declared {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let manifest = FunctionManifest {
        name: name.into(),
        kind,
        subscribes: texts(subscribes),
        emits: texts(emits),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    };
    Declared { manifest, module: "shop".into(), status: FunctionStatus::Active }
}

fn handler(name: &str, subscribes: &[&str], emits: &[&str]) -> Declared {
    function(name, FunctionKind::Handler, subscribes, emits)
}

fn with(mut declared: Declared, change: impl FnOnce(&mut FunctionManifest)) -> Declared {
    change(&mut declared.manifest);
    declared
}

fn seen(kind: Kind, r#type: &str, count: u64) -> TypeCount {
    TypeCount { r#type: r#type.into(), kind, count, first: Position(1), last: Position(9) }
}

fn declared(functions: &[Declared]) -> Graph {
    build(&Parts { functions, consumers: &[], types: &[], tally: None })
}

/// Ways of a graph, as text.
fn ways(graph: &Graph) -> Vec<String> {
    let way = |((from, to, link), edge): (&(String, String, Link), &super::graph::Edge)| {
        let count = edge.count.map_or("?".to_owned(), |count| count.to_string());
        format!("{from} {link:?} {to} {count}{}", if edge.declared { "" } else { " undeclared" })
    };
    graph.edges.iter().map(way).collect()
}

fn found(functions: &[Declared], types: &[TypeCount]) -> Vec<Lint> {
    lints(&build(&Parts { functions, consumers: &[], types, tally: None }), functions)
}

/// Names and levels of what is odd.
fn names(lints: &[Lint]) -> Vec<(&str, Level)> {
    lints.iter().map(|lint| (lint.name, lint.level)).collect()
}

/// A process manager, an aggregate that it commands, a schedule, a host outside, a view and an old type.
fn onboarding() -> Vec<Declared> {
    vec![
        with(
            handler(
                "onboarding",
                &["customer.registered", "account.*", REQUEST_REPLIED, COMMAND_REFUSED, "too.late"],
                &["customer.created"],
            ),
            |manifest| {
                manifest.sends = vec!["account.reserve".into()];
                manifest.hosts = vec!["*.example.com".into()];
                manifest.timers = true;
            },
        ),
        with(function("account", FunctionKind::Aggregate, &["account.reserved"], &["account.reserved"]), |manifest| {
            manifest.decides = vec!["account.reserve".into()];
        }),
        with(handler("report", &["report.due"], &[]), |manifest| {
            let (key, cron, time_zone, r#type) = ("daily".into(), "0 9 * * *".into(), "UTC".into(), "report.due".into());
            manifest.schedules = vec![Schedule { key, cron, time_zone, r#type, missed: Missed::All }];
        }),
        function("answers", FunctionKind::View, &[REQUEST_REPLIED], &[]),
        function("modern", FunctionKind::Upcaster, &["customer.came"], &["customer.registered"]),
    ]
}

fn tally(build: impl FnOnce(&mut RecordBuilder)) -> Tally {
    let mut builder = RecordBuilder::new(1, Position(9), Timestamp(0));
    build(&mut builder);
    let mut tally = Tally::default();
    for entry in builder.finish(Digest::ZERO).events() {
        let asked = |_: Position| Ok::<_, Infallible>(Some("https://api.example.com/x".to_owned()));
        tally.count(&entry, asked).expect("nothing can fail");
    }
    tally
}

fn made(kind: Kind, r#type: &str, extension: (&str, &str)) -> Emitted {
    let extensions = vec![(extension.0.to_owned(), extension.1.to_owned())];
    Emitted { kind, id: "2".into(), r#type: r#type.into(), content_type: "text/plain".into(), extensions, ..Emitted::default() }
}

#[test]
fn what_manifests_declare_is_a_graph_before_anything_has_happened() {
    assert_eq!(
        ways(&declared(&onboarding())),
        [
            "command:account.reserve Decides function:account 0",
            "event:account.reserved Folds function:account 0",
            "event:account.reserved Reads function:onboarding 0",
            "event:customer.came Upcasts function:modern ?",
            "event:customer.registered Reads function:onboarding 0",
            "event:report.due Reads function:report 0",
            "event:retold.request.replied Folds function:answers 0",
            "event:too.late Reads function:onboarding 0",
            "function:account Emits event:account.reserved ?",
            "function:account Answers function:onboarding ?",
            "function:modern Upcasts event:customer.registered ?",
            "function:onboarding Sends command:account.reserve ?",
            "function:onboarding Emits event:customer.created ?",
            "function:onboarding Requests host:*.example.com ?",
            "host:*.example.com Emits event:retold.request.replied ?",
            "host:*.example.com Answers function:onboarding ?",
            "schedule:report/daily Occurs event:report.due ?",
        ]
    );
}

#[test]
fn what_was_counted_stands_beside_what_is_declared() {
    let tally = tally(|builder| {
        let appended = NewEvent { id: "1".into(), source: "/desk/7".into(), r#type: "customer.registered".into(), ..NewEvent::default() };
        builder.add_source(&NewEvent { content_type: "text/plain".into(), ..appended });
        let url = "https://api.example.com/x";
        builder.add_derived("/functions/onboarding", 1, &made(Kind::Request, "retold.request.made", (REQUEST_URL, url)));
        builder.add_derived("/functions/onboarding", 1, &made(Kind::Command, "account.reserve", ("a", "b")));
        builder.add_derived("/functions/onboarding", 1, &made(Kind::Timer, "too.late", (TIMER_KEY, "k")));
        builder.add_derived("/timers/onboarding", 1, &made(Kind::Event, "too.late", (TIMER_KEY, "k")));
        builder.add_derived("/functions/onboarding", 1, &made(Kind::Event, "customer.welcomed", ("a", "b")));
        builder.add_derived("/requests/onboarding", 1, &made(Kind::Event, REQUEST_REPLIED, (ADDRESSEE, "onboarding")));
        builder.add_derived("/aggregates/account", 1, &made(Kind::Event, COMMAND_REFUSED, (ADDRESSEE, "onboarding")));
        builder.add_derived("/functions/gone", 1, &made(Kind::Event, "left.behind", ("a", "b")));
    });
    let mut functions = onboarding();
    let gone = with(handler("gone", &["a"], &["left.behind"]), |_| {});
    functions.push(Declared { status: FunctionStatus::Retired, ..gone });
    let types =
        [seen(Kind::Event, "customer.registered", 1), seen(Kind::Command, "account.reserve", 1), seen(Kind::Event, REQUEST_REPLIED, 1)];
    let settings = ConsumerSettings {
        types: vec!["customer.*".into()],
        subjects: Vec::new(),
        tags: Vec::new(),
        attempts_max: 1,
        lease_ms: 1_000,
        expires_ms: None,
        endpoint: None,
    };
    let graph = build(&Parts { functions: &functions, consumers: &[("mail".into(), settings)], types: &types, tally: Some(&tally) });
    let ways = ways(&graph);
    for way in [
        "source:/desk Appends event:customer.registered 1 undeclared",
        "event:customer.registered Reads function:onboarding 1",
        "event:customer.registered Reads consumer:mail 1",
        "function:onboarding Requests host:*.example.com 1",
        "host:*.example.com Answers function:onboarding 1",
        "host:*.example.com Emits event:retold.request.replied 1",
        "event:retold.request.replied Folds function:answers 1",
        "function:account Answers function:onboarding 1",
        "function:account Emits event:account.reserved 0",
        "command:account.reserve Decides function:account 1",
        "function:onboarding Sends command:account.reserve 1",
        "function:onboarding Fires event:too.late 1",
        "function:onboarding Emits event:customer.created 0",
        "function:onboarding Emits event:customer.welcomed 1 undeclared",
        "function:gone Emits event:left.behind 1 undeclared",
        "schedule:report/daily Occurs event:report.due 0",
    ] {
        assert!(ways.iter().any(|found| found == way), "{way} is not in {ways:#?}");
    }
    // What is retired reads nothing, and answers go to the one that asked.
    assert!(!ways.iter().any(|way| way.starts_with("event:a ") || way.contains("replied Reads")), "{ways:#?}");
    let timers = graph.from("function:onboarding").find(|(_, link, _)| *link == Link::Fires).expect("a timer was set");
    assert_eq!(timers.2.set, Some(1));
}

#[test]
fn a_flow_in_which_all_is_well_has_no_warnings() {
    let lints = found(&onboarding(), &[seen(Kind::Event, "customer.came", 3)]);
    assert!(lints.iter().all(|lint| lint.level == Level::Note), "{lints:#?}");
    // That a process goes round by commands is worth a note, and so is what nobody reads.
    assert_eq!(lints.iter().filter(|lint| lint.name == "circle-by-command").count(), 1, "{lints:#?}");
    assert!(lints.iter().any(|lint| lint.name == "nobody-reads" && lint.nodes[0] == "event:customer.created"), "{lints:#?}");
}

#[test]
fn an_order_that_is_an_event_with_one_reader_is_a_command_in_disguise() {
    let functions = [handler("orders", &["order.placed"], &["email.send"]), handler("mail", &["email.send"], &[])];
    let types = [seen(Kind::Event, "order.placed", 1)];
    let lints = found(&functions, &types);
    assert_eq!(names(&lints), [("command-in-disguise", Level::Warning)]);
    assert_eq!(lints[0].nodes, ["event:email.send", "function:mail", "function:orders"]);
    // Two readers make it an announcement, and what has happened is no order.
    let announced = [functions.to_vec(), vec![handler("audit", &["email.*"], &[])]].concat();
    assert_eq!(names(&found(&announced, &types)), []);
    let told = [handler("orders", &["order.placed"], &["email.sent"]), handler("mail", &["email.sent"], &[])];
    assert_eq!(names(&found(&told, &types)), []);
}

#[test]
fn functions_that_feed_each_other_are_warned_of() {
    let functions = [handler("ping", &["pong"], &["ping"]), handler("pong", &["ping"], &["pong"]), handler("out", &["ping"], &[])];
    let lints = found(&functions, &[]);
    assert_eq!(names(&lints), [("circle", Level::Warning)]);
    assert_eq!(lints[0].nodes, ["event:ping", "function:pong", "event:pong", "function:ping"]);
    assert!(lints[0].message.ends_with("ping → pong → pong → ping → ping"), "{}", lints[0].message);
    // Time passes before a timer comes back, and what is folded makes nothing.
    let patient = [with(handler("wait", &["begun", "over"], &[]), |manifest| manifest.timers = true)];
    let types = [seen(Kind::Event, "begun", 1)];
    assert_eq!(names(&found(&patient, &types)), []);
}

#[test]
fn a_reader_of_what_nobody_makes_is_told_what_it_may_have_meant() {
    let functions = [handler("pricing", &["order.place"], &[]), handler("shop", &["sold.*"], &[])];
    let lints = found(&functions, &[seen(Kind::Event, "order.placed", 5)]);
    assert_eq!(names(&lints), [("nobody-makes", Level::Warning), ("nobody-reads", Level::Note), ("nobody-makes", Level::Note)]);
    assert_eq!(lints[0].advice, "did you mean order.placed?");
    assert!(lints[2].message.contains("sold.*"), "{}", lints[2].message);
    let counter = [handler("counter", &["test.count"], &["test.counted"])];
    assert!(found(&counter, &[]).iter().all(|lint| lint.level == Level::Note), "a counter counts");
    // Where nothing is like it, the name is taken at its word.
    assert_eq!(names(&found(&functions[..1], &[])), [("command-in-disguise", Level::Warning), ("nobody-makes", Level::Note)]);
}

#[test]
fn a_command_that_nobody_decides_and_an_answer_that_nobody_asked_for_are_warned_of() {
    let sender = with(handler("orders", &["order.placed", COMMAND_REFUSED, REQUEST_REPLIED], &[]), |manifest| {
        manifest.sends = vec!["stock.take".into()];
    });
    let lints = found(&[sender], &[seen(Kind::Event, "order.placed", 1)]);
    assert_eq!(names(&lints), [("nobody-decides", Level::Warning), ("nobody-asked", Level::Warning)]);
    assert!(lints[1].message.contains(REQUEST_REPLIED), "{}", lints[1].message);
}
