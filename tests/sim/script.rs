//! A fixed story with everything in it once: appends, functions with state and without, a parked
//! event and its release, a rewind, commands and a snapshot of their subject, a schema, sealing, merging,
//! a removal.

use retold_engine::model::{NewEvent, Position, WhichParked};
use retold_engine::run::{Decided, Hot, Reading, decide};
use retold_engine::store::{Append, Control, Proposal, Reader};

use crate::chance::Chance;
use crate::guests::MODULES;
use crate::stock::Stocks;
use crate::world::{Host, InFlight, World, deploy};

pub fn event(id: &str, r#type: &str, subject: &str, data: &[u8]) -> NewEvent {
    NewEvent {
        id: id.into(),
        source: "/script".into(),
        r#type: r#type.into(),
        subject: subject.into(),
        content_type: "application/json".into(),
        data: data.to_vec(),
        tags: vec![format!("about:{subject}")],
        ..NewEvent::default()
    }
}

pub fn append(events: Vec<NewEvent>) -> Proposal {
    Proposal::Append(Append { events, ..Append::default() })
}

fn module(name: &str) -> Proposal {
    deploy(MODULES.iter().find(|module| module.name == name).expect("there is such a module"))
}

/// Tells the story until the power goes.
pub fn tell(world: &mut World, host: &mut Host) -> Result<(), InFlight> {
    world.ask(host, vec![append(vec![event("1", "a.small", "s/1", b"."), event("2", "a.wide", "s/2", b".\x04")])])?;
    world.ask(host, vec![module("counting"), module("failing"), append(vec![event("3", "c.one", "s/1", b"T")])])?;
    for _ in 0..3 {
        world.round(host)?;
    }
    let schema = Proposal::SetSchema { r#type: "b.one".into(), schema: Some("{}".into()) };
    world.ask(host, vec![module("stock"), schema])?;
    execute(world, host, &command("c1", "stock.add", b".\x07\x02"))?;
    seal(world, host)?;
    execute(world, host, &command("c2", "stock.take", b".\x05\x00"))?;
    execute(world, host, &command("c1", "stock.add", b".\x07\x02"))?;
    world.outside.set_healed(true);
    world.ask(host, vec![append(vec![event("4", "c.one", "s/1", b"."), event("1", "a.small", "s/1", b".")])])?;
    world.ask(host, vec![control("brittle", Control::Resume), control("fragile", Control::Release(WhichParked::All))])?;
    for _ in 0..2 {
        world.round(host)?;
    }
    world.ask(host, vec![module("plain"), control("count", Control::Rewind(Position(2)))])?;
    for round in 0..7 {
        world.ask(host, vec![append(vec![event(&format!("more {round}"), "a.wide", "s/2", &[b'.', round])])])?;
        world.round(host)?;
        seal(world, host)?;
    }
    // The eighth segment has been written: the eight are merged, and rows deleted on the way.
    housekeep(world, host)?;
    if let Err(error) = host.store.delete_leftover_rows() {
        return world.lost(&error).map_err(InFlight::nothing);
    }
    world.ask(
        host,
        vec![Proposal::Remove { module: "plain".into(), levels: Vec::new() }, append(vec![event("5", "a.small", "s/1", b"C")])],
    )?;
    world.round(host)
}

/// A module with state, one that is split and one with a view are upgraded, and the first goes back, while
/// events come and are handled.
pub fn tell_upgrades(world: &mut World, host: &mut Host) -> Result<(), InFlight> {
    let events = |from: u8| (from..from + 6).map(|id| event(&id.to_string(), "b.one", &format!("s/{}", id % 3), &[b'.', id])).collect();
    world.ask(host, vec![module("counting"), module("wide"), module("views"), append(events(1))])?;
    world.ask(host, vec![append(vec![event("small", "a.small", "s/1", b"."), event("wide", "a.wide", "s/2", b".\x02")])])?;
    world.round(host)?;
    upgrade(world, host, "counting", 2)?;
    world.ask(host, vec![append(vec![event("more", "a.small", "s/1", b".")])])?;
    world.round(host)?;
    upgrade(world, host, "counting", 1)?;
    upgrade(world, host, "wide", 2)?;
    world.ask(host, vec![append(events(11))])?;
    world.plan(host).map_err(InFlight::nothing)?;
    // Plans of the old version are in flight at the switch.
    upgrade(world, host, "counting", 2)?;
    upgrade(world, host, "views", 2)?;
    world.ask_too(host, Vec::new())?;
    world.round(host)
}

fn upgrade(world: &mut World, host: &mut Host, name: &str, version: u8) -> Result<(), InFlight> {
    let module = MODULES.iter().find(|module| module.name == name && module.version == version).expect("there is such a module");
    let answer = world.upgrade_now(host, module)?.expect("it goes in no circles");
    assert!(answer.is_ok(), "{answer:?}");
    Ok(())
}

fn command(id: &str, r#type: &str, data: &[u8]) -> NewEvent {
    event(id, r#type, "s/1", data)
}

/// Decides on a state folded anew, keeps the state, and records what follows.
fn execute(world: &mut World, host: &mut Host, command: &NewEvent) -> Result<(), InFlight> {
    let snapshot = host.store.reader().snapshot().or_else(|error| world.lost(&error).map_err(InFlight::nothing))?;
    let stocks = Stocks::new(&world.model, Chance::new(0), 0);
    let mut hot = None;
    let decided = match decide(&Reading::new(&snapshot, &stocks), "stock", command, &mut hot, world.now, &mut |_, _| {}) {
        Ok(decided) => decided,
        Err(error) => return world.lost(&error).map_err(InFlight::nothing),
    };
    match decided {
        Decided::Propose(mut decision) => {
            decision.snapshot = hot.as_ref().and_then(Hot::snapshot);
            world.ask(host, vec![Proposal::Decide(*decision)])
        }
        Decided::Known { .. } => Ok(()),
        other => panic!("{other:?}"),
    }
}

fn control(function: &str, control: Control) -> Proposal {
    Proposal::Control { function: function.into(), control }
}

fn seal(world: &mut World, host: &mut Host) -> Result<(), InFlight> {
    host.store.close_tail();
    housekeep(world, host)
}

fn housekeep(world: &mut World, host: &mut Host) -> Result<(), InFlight> {
    let reader: Reader = host.store.reader();
    let work = reader.housekeeping_due().expect("there is something to seal or to merge");
    let written = reader.housekeep(work).and_then(|sealed| host.store.adopt(sealed));
    written.or_else(|error| world.lost(&error).map_err(InFlight::nothing))
}
