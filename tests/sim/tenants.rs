//! Two namespaces in one host, with power lost under both. Every value names its tenant, and no file and no answer of
//! one holds a byte of the other's.

use crate::disk::FaultFolder;
use crate::world::{Host, World};

const TAGS: [&str; 2] = ["[of tenant one]", "[of tenant two]"];
const SEEDS: u64 = 40;

fn open(world: &mut World) -> Host {
    world.open(&[]).unwrap_or_else(|_| panic!("there is power"))
}

/// What a disk holds of both.
fn held(disk: &FaultFolder) -> [bool; 2] {
    TAGS.map(|tag| disk.holds(tag.as_bytes()))
}

fn run(seed: u64) {
    let mut worlds = [0, 1].map(|tenant| {
        let mut world = World::new(seed * 2 + tenant);
        world.options.tag = TAGS[tenant as usize];
        world
    });
    for _ in 0..2 {
        let mut hosts = worlds.each_mut().map(open);
        for _ in 0..160 {
            let tenant = worlds[0].chance.index(2);
            worlds[tenant].act(&mut hosts[tenant]).unwrap_or_else(|_| panic!("there is power"));
        }
        drop(hosts);
        for world in &mut worlds {
            world.lose_power(world.options.crash);
        }
    }
    for (tenant, mut world) in worlds.into_iter().enumerate() {
        let mut host = open(&mut world);
        world.drain(&mut host);
        crate::oracle::check_all(&world.model, &host.store.reader(), &mut world.chance);
        let others = world.model.log.iter().find(|event| holds(&event.data, TAGS[1 - tenant]));
        assert_eq!(others, None, "of another tenant");
        let own = world.model.log.iter().any(|event| holds(&event.data, TAGS[tenant]));
        drop(host);
        let found = held(&world.disk);
        assert!(!found[1 - tenant], "seed {seed}: a file of one tenant holds what is the other's");
        assert!(found[tenant] || !own, "seed {seed}: what is looked for can't be found");
    }
}

fn holds(data: &[u8], tag: &str) -> bool {
    data.windows(tag.len()).any(|window| window == tag.as_bytes())
}

#[test]
fn no_file_and_no_answer_of_a_namespace_holds_a_byte_of_another() {
    (1..=SEEDS).for_each(run);
}
