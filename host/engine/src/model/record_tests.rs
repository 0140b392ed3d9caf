//! The record's bytes: they come back, foreign ones are refused, and they never change.

use super::{
    ByteReader, Class, Digest, Emitted, EventRef, Kind, NewEvent, NextOccurrence, ParkedEvent, Position, Processing, Producer, Record,
    RecordBuilder, Timestamp, WhichParked,
};

/// Made of its description in docs/DATA_FILE.md by a program of its own.
const GOLDEN: &str = "010700000000000000050000000000000003000000e803000000000000070c6f726465722e706c61636564052f73686f70106170706c6963617469\
     6f6e2f6a736f6e0c6f726465722e707269636564122f66756e6374696f6e732f70726963696e67157265746f6c642e6d6f64756c652e72656d6f76\
     65640c2f7265746f6c642f686f73744f010770726963696e6703040000002009090909090909090909090909090909090909090909090909090909\
     090909090105076f726465722f37047472617004626f6f6d02e80300000000000001020034006b0001020131076f726465722f37c7010005016102\
     6263110b7472616365706172656e740430302d3101630573746f72797b7d1e017c030402026431076f726465722f37c701010101310573746f7279\
     03352f02000506022064353363626338303563303464643065613436366137663064373565623137610473686f7000007b7d572f99533af0bdb709\
     2b48e4d7a819e04d5296207c88b083299ea7e20f303cc2";

const BEFORE: Digest = Digest([8; 32]);

fn source() -> NewEvent {
    NewEvent {
        id: "1".into(),
        source: "/shop".into(),
        r#type: "order.placed".into(),
        subject: "order/7".into(),
        time: Some(Timestamp(900)),
        content_type: "application/json".into(),
        data: b"{}".to_vec(),
        tags: vec!["a".into(), "bc".into()],
        extensions: vec![("traceparent".into(), "00-1".into())],
        causation_id: Some("c".into()),
        correlation_id: Some("story".into()),
    }
}

fn derived() -> Emitted {
    Emitted {
        id: "d1".into(),
        r#type: "order.priced".into(),
        subject: "order/7".into(),
        tags: Vec::new(),
        content_type: "application/json".into(),
        data: b"5".to_vec(),
        time: Timestamp(900),
        hops: 1,
        cause: Position(5),
        causation_id: "1".into(),
        correlation_id: "story".into(),
        ..Emitted::default()
    }
}

fn parked(position: u64) -> ParkedEvent {
    ParkedEvent {
        position: Position(position),
        subject: "order/7".into(),
        reason: "trap".into(),
        message: "boom".into(),
        attempts: 2,
        since: Timestamp(1_000),
    }
}

fn reaction() -> Processing {
    Processing::Reaction {
        function: "pricing".into(),
        module: 3,
        from: Position(4),
        to: Position(4),
        rebuild: None,
        state: Some(Digest([9; 32])),
        parked: vec![parked(5)],
        unparked: vec![Position(2)],
        halted: None,
    }
}

fn record() -> Record {
    let mut builder = RecordBuilder::new(7, Position(5), Timestamp(1_000));
    builder.add_source(&source());
    builder.add_processing(&reaction());
    builder.add_derived("/functions/pricing", 3, &derived());
    builder.add_record("/retold/host", "retold.module.removed", "shop", b"{}");
    builder.finish(BEFORE)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_record_has_the_bytes_that_the_page_on_the_data_file_says() {
    assert_eq!(hex(record().bytes()), GOLDEN);
}

#[test]
fn a_record_comes_back_whole() {
    let made = record();
    let record = Record::parse(made.bytes().into()).expect("own bytes");
    assert_eq!((record.commit, record.first, record.last(), record.recorded), (7, Position(5), Position(7), Timestamp(1_000)));
    assert!(record.follows(BEFORE));
    assert!(!record.follows(Digest::ZERO));
    assert_eq!(record.processing(), Ok(vec![reaction()]));
    let events: Vec<EventRef<'_>> = record.events().collect();
    let [first, second, third] = events.as_slice() else { panic!("three events") };
    assert!(first.same_content(Kind::Event, &source()));
    assert_eq!((first.class, first.hops, first.cause, first.causation_id, first.correlation()), (Class::Source, 0, None, "c", "story"));
    assert_eq!(first.tags().collect::<Vec<_>>(), ["a", "bc"]);
    assert_eq!(first.extensions().collect::<Vec<_>>(), [("traceparent", "00-1")]);
    assert_eq!((second.class, second.source, second.id, second.data), (Class::Derived, "/functions/pricing", "d1", &b"5"[..]));
    assert_eq!((second.hops, second.cause, second.producer), (1, Some(Position(5)), Some(Producer { module: 3 })));
    assert_eq!(
        (third.class, third.id, third.correlation(), third.time_given),
        (Class::Record, "d53cbc805c04dd0ea466a7f0d75eb17a", "d53cbc805c04dd0ea466a7f0d75eb17a", false)
    );
    for event in &events {
        assert_eq!(record.event(event.position).map(|found| found.to_event()), Some(event.to_event()));
    }
    assert!(record.event(Position(4)).is_none() && record.event(Position(8)).is_none());
}

#[test]
fn a_record_cut_at_any_byte_is_refused_or_breaks_the_chain() {
    let whole = record();
    for end in 0..whole.bytes().len() {
        if let Ok(cut) = Record::parse(whole.bytes()[..end].into()) {
            assert!(!cut.follows(BEFORE), "cut at {end}");
            // Nothing panics on what is left.
            cut.events().for_each(drop);
            drop(cut.processing());
        }
    }
}

#[test]
fn a_record_with_any_byte_changed_is_refused_or_breaks_the_chain() {
    let whole = record();
    for at in 0..whole.bytes().len() {
        let mut bytes = whole.bytes().to_vec();
        bytes[at] ^= 0x41;
        if let Ok(changed) = Record::parse(bytes.into()) {
            assert!(!changed.follows(BEFORE), "changed at {at}");
            changed.events().for_each(drop);
            let _ = changed.event(Position(6));
            drop(changed.processing());
        }
    }
}

#[test]
fn a_builder_goes_back_to_a_mark_as_if_nothing_had_been_added() {
    let mut builder = RecordBuilder::new(7, Position(5), Timestamp(1_000));
    builder.add_source(&source());
    let mark = builder.mark();
    builder.add_derived("/functions/other", 9, &derived());
    builder.add_processing(&reaction());
    assert_eq!(builder.event(Position(6)).map(|event| event.source.to_owned()), Some("/functions/other".to_owned()));
    builder.back_to(mark);
    assert!(builder.event(Position(6)).is_none());
    builder.add_processing(&reaction());
    builder.add_derived("/functions/pricing", 3, &derived());
    builder.add_record("/retold/host", "retold.module.removed", "shop", b"{}");
    assert_eq!(hex(builder.finish(BEFORE).bytes()), GOLDEN);
}

#[test]
fn a_command_and_what_was_decided_have_the_bytes_that_the_page_on_the_data_file_says() {
    let mut builder = RecordBuilder::new(1, Position(5), Timestamp(1_000));
    let command = NewEvent {
        id: "c1".into(),
        source: "/s".into(),
        r#type: "t.do".into(),
        subject: "x".into(),
        content_type: "a/b".into(),
        data: b"1".to_vec(),
        ..NewEvent::default()
    };
    let made = Emitted {
        id: "d".into(),
        r#type: "t.done".into(),
        subject: "x".into(),
        content_type: "a/b".into(),
        data: b"2".to_vec(),
        time: Timestamp(990),
        causation_id: "c1".into(),
        correlation_id: "c1".into(),
        ..derived()
    };
    builder.add_command(&command, Timestamp(990));
    builder.add_decided("/aggregates/s", 3, &made);
    let record = builder.finish(Digest::ZERO);
    let bytes = hex(record.bytes());
    // Length, kind and class, flags, words, id, subject, time, hops; then cause, causes' ids, producer; data.
    let expected = concat!(
        "0d", "1000", "000102", "026331", "0178", "13", "00", "31", "14", "007c", "030402", "0164", "0178", "13", "01", "01", "026331",
        "026331", "03", "32"
    );
    assert_eq!(bytes[bytes.len() - 64 - expected.len()..bytes.len() - 64], *expected);
    let asked = record.event(Position(5)).expect("it is there");
    assert_eq!((asked.kind, asked.class, asked.time, asked.time_given), (Kind::Command, Class::Source, Timestamp(990), false));
    assert!(asked.same_content(Kind::Command, &command) && !asked.same_content(Kind::Event, &command));
    let decided = record.event(Position(6)).expect("it is there");
    assert_eq!((decided.kind, decided.class, decided.cause), (Kind::Event, Class::Source, Some(Position(5))));
}

#[test]
fn an_event_without_a_time_has_that_of_its_recording_and_one_with_the_same_time_differs() {
    let mut builder = RecordBuilder::new(1, Position(1), Timestamp(1_000));
    let untimed = NewEvent { time: None, ..source() };
    builder.add_source(&untimed);
    let event = builder.event(Position(1)).expect("it was added");
    assert_eq!(event.time, Timestamp(1_000));
    assert!(event.same_content(Kind::Event, &untimed));
    assert!(!event.same_content(Kind::Event, &NewEvent { time: Some(Timestamp(1_000)), ..source() }));
    assert!(event.same_content(Kind::Event, &NewEvent { extensions: Vec::new(), ..untimed.clone() }), "extensions are not content");
}

#[test]
fn times_far_from_the_recording_come_back() {
    for time in [0, 1, u64::from(u32::MAX), u64::MAX] {
        let mut builder = RecordBuilder::new(1, Position(1), Timestamp(1_767_225_600_000_000));
        builder.add_source(&NewEvent { time: Some(Timestamp(time)), ..source() });
        assert_eq!(builder.event(Position(1)).expect("it was added").time, Timestamp(time));
    }
}

#[test]
fn every_processing_entry_comes_back_and_a_cut_one_is_refused() {
    let entries = [
        reaction(),
        Processing::Reaction {
            function: "f".into(),
            module: 1,
            from: Position(3),
            to: Position(900),
            rebuild: Some(u64::MAX),
            state: None,
            parked: Vec::new(),
            unparked: Vec::new(),
            halted: Some(parked(901)),
        },
        Processing::Deployed {
            module: 2,
            name: "shop".into(),
            version: "1.0.0".into(),
            digest: Digest([3; 32]),
            manifest: vec![1, 2, 3],
            at: Position(9),
        },
        Processing::Removed { name: "shop".into() },
        Processing::Paused { function: "f".into() },
        Processing::Resumed { function: "f".into() },
        Processing::Rewound { function: "f".into(), to: Position(300), rebuild: true },
        Processing::Released { function: "f".into(), which: WhichParked::All },
        Processing::Released { function: "f".into(), which: WhichParked::Subject(String::new()) },
        Processing::Released { function: "f".into(), which: WhichParked::One(Position(300)) },
        Processing::Skipped { function: "f".into(), which: WhichParked::Subject("x".into()) },
        Processing::SchemaSet { r#type: "order.placed".into(), schema: Some("{}".into()) },
        Processing::SchemaSet { r#type: "order.placed".into(), schema: None },
        Processing::Retold { to: Position(300) },
        Processing::Began { function: "f".into(), at: Position(300) },
        Processing::Forgot { hashes: vec![[7; 16], [9; 16]] },
        Processing::Ready { function: "f".into() },
        Processing::Scheduled {
            function: "f".into(),
            key: "daily".into(),
            next: Some(NextOccurrence { cron: "0 6 * * *".into(), time_zone: "Europe/Berlin".into(), due: Timestamp(300) }),
        },
        Processing::Scheduled { function: "f".into(), key: "daily".into(), next: None },
        Processing::Held { function: "f".into(), module: 300, outputs: vec![held(), Emitted { kind: Kind::Timer, ..held() }] },
        Processing::Unheld { function: "f".into(), outputs: vec![(Position(300), "1".into()), (Position(301), "2".into())] },
        Processing::Sends { function: "f".into() },
    ];
    for entry in entries {
        let mut builder = RecordBuilder::new(1, Position(1), Timestamp(0));
        builder.add_processing(&entry);
        assert_eq!(builder.finish(Digest::ZERO).processing(), Ok(vec![entry.clone()]));
        let mut out = super::ByteWriter::default();
        entry.encode(&mut out);
        for end in 0..out.bytes.len() {
            assert!(Processing::decode(&mut ByteReader::new(&out.bytes[..end])).is_err(), "{entry:?} cut at {end}");
        }
    }
}

fn held() -> Emitted {
    Emitted {
        kind: Kind::Request,
        id: "1".into(),
        r#type: "retold.request.made".into(),
        subject: "x".into(),
        tags: vec!["a".into(), "b".into()],
        extensions: vec![("requestmethod".into(), "GET".into())],
        content_type: "text/plain".into(),
        data: b"body".to_vec(),
        time: Timestamp(7),
        hops: 3,
        cause: Position(300),
        causation_id: "c".into(),
        correlation_id: "d".into(),
    }
}

/// An event with its own recorded time, as a retelling writes it.
fn retold() -> (Record, Record) {
    let mut old = RecordBuilder::new(7, Position(5), Timestamp(1_000));
    old.add_source(&source());
    old.add_source(&NewEvent { id: "2".into(), time: None, tags: Vec::new(), extensions: Vec::new(), ..source() });
    let old = old.finish(BEFORE);
    let mut new = RecordBuilder::new(2, Position(9), Timestamp(1_500));
    for event in old.events() {
        new.add_retold(&event, Some(Position(4)), Some(3), event.recorded);
    }
    new.add_derived_at("/functions/pricing", 3, &Emitted { cause: Position(9), ..derived() }, Timestamp(1_000));
    let mark = new.mark();
    new.add_derived_at("/functions/pricing", 3, &Emitted { cause: Position(9), ..derived() }, Timestamp(7));
    new.back_to(mark);
    (old, new.finish(BEFORE))
}

#[test]
fn an_event_that_is_retold_keeps_all_that_it_says_and_when_it_was_first_recorded() {
    let (old, new) = retold();
    let new = Record::parse(new.bytes().into()).expect("own bytes");
    for (old, new) in old.events().zip(new.events()) {
        let expected = super::Event {
            position: Position(old.position.0 + 4),
            cause: Some(Position(4)),
            producer: Some(Producer { module: 3 }),
            ..old.to_event()
        };
        assert_eq!(new.to_event(), expected);
        assert_eq!((new.time_given, new.correlation_id), (old.time_given, old.correlation_id));
    }
    let made = new.event(Position(11)).expect("it is there");
    assert_eq!((made.recorded, made.time, made.cause), (Timestamp(1_000), Timestamp(900), Some(Position(9))));
}

#[test]
fn a_recorded_time_of_its_own_has_the_bytes_that_the_page_on_the_data_file_says() {
    let (old, new) = retold();
    assert_eq!((old.bytes()[0], new.bytes()[0]), (1, 2), "only a record that needs it has the newer format");
    let bytes = hex(new.bytes());
    // Length, kind and class, flags, words, id, subject, time, hops; recorded time; then as ever.
    let expected =
        concat!("20", "01", "fc", "030402", "026431", "076f726465722f37", "af09", "01", "e707", "02", "0131", "0573746f7279", "03", "35");
    assert_eq!(bytes[bytes.len() - 64 - expected.len()..bytes.len() - 64], *expected);
}

#[test]
fn a_builder_that_goes_back_before_an_event_of_another_time_writes_the_plain_format() {
    let mut builder = RecordBuilder::new(7, Position(5), Timestamp(1_000));
    builder.add_source(&source());
    let mark = builder.mark();
    builder.add_derived_at("/functions/pricing", 3, &derived(), Timestamp(7));
    builder.back_to(mark);
    assert_eq!(builder.finish(BEFORE).bytes()[0], 1);
}
