//! The engine under faults: power cuts at every operation, torn and reordered writes, failing disks,
//! and a model that knows what must be there.

mod actions;
mod bounds;
mod catalogue;
mod chance;
mod deciding;
mod desk;
mod disk;
mod disk_errors;
mod drain;
mod every_operation;
mod fold_checks;
mod forked;
mod forks;
mod found;
mod functions;
mod generation_acts;
mod generation_commands;
mod generation_oracle;
mod generations;
mod guests;
mod image;
mod judge;
mod load;
mod model;
mod options;
mod oracle;
mod outside_guests;
mod outside_oracle;
mod outside_seeds;
mod outside_world;
#[cfg(feature = "plant")]
mod planted;
mod rebuilds;
mod restores;
mod retellings;
mod script;
mod seeds;
mod shop;
mod small_seeds;
mod stock;
mod storage;
#[cfg(feature = "plant")]
mod stories;
mod switching;
mod tenants;
mod threads;
mod upcasting;
mod upgrade_steps;
mod upgrades;
mod views;
mod volume;
mod waiting;
mod world;
