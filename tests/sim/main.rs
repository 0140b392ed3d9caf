//! The engine under faults: power cuts at every operation, torn and reordered writes, failing disks,
//! and a model that knows what must be there.

mod actions;
mod catalogue;
mod chance;
mod desk;
mod disk;
mod disk_errors;
mod drain;
mod every_operation;
mod forked;
mod forks;
mod found;
mod functions;
mod generation_acts;
mod generation_oracle;
mod generations;
mod guests;
mod image;
mod judge;
mod load;
mod model;
mod options;
mod oracle;
mod retellings;
mod script;
mod seeds;
mod stock;
mod switching;
mod threads;
mod upcasting;
mod upgrade_steps;
mod upgrades;
mod views;
mod volume;
mod waiting;
mod world;
