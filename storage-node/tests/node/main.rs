//! The storage node from outside, on disks and stores that fail.

mod cold;
mod concurrent;
mod crash;
mod damage;
mod failing;
mod filters;
mod full;
mod harness;
mod history;
mod machine;
mod meet;
mod mending;
mod merging;
mod model;
mod mutants;
mod object_class;
mod object_histories;
mod object_mutants;
mod pace;
mod places;
mod power;
mod quota;
mod races;
mod retention;
mod spoiled;
mod stores;
mod tier_faults;
mod tiers;
mod waiting;
#[path = "../support/weed.rs"]
mod weed;
mod work;
