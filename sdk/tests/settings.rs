//! What `#[handler(...)]` makes of its settings.

use retold::__private::wire::{FailurePolicy, FunctionKind, Start};
use retold::Function;
use retold::prelude::*;

#[derive(Event, Deserialize)]
#[event("a")]
struct A {}

#[handler]
fn plain(_event: Recorded<A>) -> Result<()> {
    Ok(())
}

#[handler(name = "knock-on", start = "beginning", policy = "halt", split = 2, attempts = 3, fuel = 1_000_000, memory_bytes = 65_536)]
fn fancy(_event: Recorded<A>, _state: &mut State<u32>) -> Result<()> {
    Ok(())
}

#[test]
fn a_plain_handler_has_its_functions_name_and_the_hosts_defaults() {
    let manifest = plain::describe();
    assert_eq!(manifest.name, "plain");
    assert!(matches!(manifest.kind, FunctionKind::Handler));
    assert_eq!(manifest.subscribes, ["a"]);
    assert!(matches!(manifest.start, Start::Now));
    assert!(matches!(manifest.failure_policy, FailurePolicy::Park));
    assert_eq!(manifest.split, None);
    let limits = manifest.limits;
    assert_eq!((limits.fuel, limits.memory_bytes, limits.attempts), (None, None, None));
}

#[test]
fn every_setting_reaches_the_manifest() {
    let manifest = fancy::describe();
    assert_eq!(manifest.name, "knock-on");
    assert_eq!(fancy::NAME, "knock-on");
    assert!(matches!(manifest.start, Start::Beginning));
    assert!(matches!(manifest.failure_policy, FailurePolicy::Halt));
    assert_eq!(manifest.split, Some(2));
    let limits = manifest.limits;
    assert_eq!((limits.fuel, limits.memory_bytes, limits.attempts), (Some(1_000_000), Some(65_536), Some(3)));
}

retold::module!(name = "settings", version = "1.0.0", plain, fancy);
