//! What the simulation has found, each as the shortest story that shows it.

use retold_engine::model::{Position, TypePattern};
use retold_engine::store::{Control, Filter, Portion, Proposal};

use crate::guests::MODULES;
use crate::oracle;
use crate::script::{append, event};
use crate::world::{Host, World, deploy};

fn begin(module: &str) -> (World, Host) {
    let mut world = World::quiet();
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    let module = MODULES.iter().find(|known| known.name == module).expect("there is such a module");
    ask(&mut world, &mut host, vec![deploy(module)]);
    (world, host)
}

fn ask(world: &mut World, host: &mut Host, proposals: Vec<Proposal>) {
    world.ask(host, proposals).unwrap_or_else(|_| panic!("there is power"));
}

fn control(function: &str, control: Control) -> Proposal {
    Proposal::Control { function: function.into(), control }
}

fn seal(host: &mut Host) {
    host.store.close_tail();
    let work = host.store.reader().housekeeping_due().expect("there is something to seal");
    let sealed = host.store.reader().housekeep(work).expect("a segment can be written");
    host.store.adopt(sealed).expect("a segment can be named");
}

fn finish(mut world: World, host: Host) {
    drop(host);
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    world.drain(&mut host);
    oracle::check_all(&world.model, &host.store.reader(), &mut world.chance);
}

#[test]
fn a_rewind_drops_the_state_that_a_plan_before_it_in_the_same_commit_wrote() {
    let (mut world, mut host) = begin("counting");
    ask(&mut world, &mut host, vec![append(vec![event("1", "a.small", "s/1", b".")])]);
    world.plan(&mut host).unwrap_or_else(|_| panic!("there is power"));
    world.ask_too(&mut host, vec![control("count", Control::Rewind(Position(0)))]).unwrap_or_else(|_| panic!("there is power"));
    finish(world, host);
}

#[test]
fn recorded_time_does_not_go_back_when_the_last_sealed_commits_have_no_events() {
    let (mut world, mut host) = begin("counting");
    ask(&mut world, &mut host, vec![append(vec![event("1", "a.small", "s/1", b".")])]);
    world.pass_ms(5_000);
    ask(&mut world, &mut host, vec![control("count", Control::Pause)]);
    seal(&mut host);
    drop(host);
    world.pass_ms(-4_000);
    let Ok(mut host) = world.open(&[]) else { panic!("there is power") };
    ask(&mut world, &mut host, vec![append(vec![event("2", "a.small", "s/1", b".")])]);
    finish(world, host);
}

#[test]
fn state_that_was_replayed_before_a_rewind_is_not_brought_on_after_it() {
    let (mut world, mut host) = begin("counting");
    for id in ["1", "2"] {
        ask(&mut world, &mut host, vec![append(vec![event(id, "a.small", "s/1", b".")])]);
        world.round(&mut host).unwrap_or_else(|_| panic!("there is power"));
    }
    let module = MODULES.iter().find(|module| module.name == "counting" && module.version == 2).expect("there is such a module");
    let mut upgrade = world.begin_upgrade(&mut host, module).unwrap_or_else(|_| panic!("there is power")).expect("it goes in no circles");
    world.replay_all(&mut host, &mut upgrade);
    ask(&mut world, &mut host, vec![control("count", Control::Rewind(Position(2)))]);
    world.drain(&mut host);
    world.lay_out_all(&mut host, &mut upgrade);
    host.upgrade = Some(upgrade);
    for _ in 0..8 {
        world.act_on_upgrade(&mut host).unwrap_or_else(|_| panic!("there is power"));
    }
    finish(world, host);
}

#[test]
fn an_old_snapshot_finds_by_id_what_was_sealed_since() {
    let (mut world, mut host) = begin("counting");
    ask(&mut world, &mut host, vec![append(vec![event("1", "a.small", "s/1", b".")])]);
    let snapshot = host.store.reader().snapshot().expect("a snapshot can be taken");
    seal(&mut host);
    assert_eq!(snapshot.find("/script", "1").expect("ids can be read"), Some(Position(2)));
    finish(world, host);
}

#[test]
fn events_without_a_subject_are_found_by_that_before_and_after_they_are_sealed() {
    let (mut world, mut host) = begin("counting");
    ask(&mut world, &mut host, vec![append(vec![event("1", "d.none", "", b"."), event("2", "d.none", "s/1", b".")])]);
    let filter = Filter { types: vec![TypePattern::Exact("d.none".into())], subjects: vec![String::new()], ..Filter::default() };
    for _ in 0..2 {
        let snapshot = host.store.reader().snapshot().expect("a snapshot can be taken");
        let portion = Portion { events: 10, bytes: usize::MAX };
        let (batch, _) = snapshot.collect(Position::START, snapshot.head(), &filter, portion).expect("the log can be read");
        assert_eq!(batch.events().iter().map(|event| event.position.0).collect::<Vec<_>>(), [2]);
        if snapshot.segments() == 0 {
            seal(&mut host);
        }
    }
    finish(world, host);
}
