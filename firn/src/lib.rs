//! The `firn` binary's inside: the command line, the settings of
//! `firn standalone`, its start-up checks, exports of the catalogue and the way
//! back from them, and the client verbs. Serving is the business of the services;
//! this crate only puts them together.

pub mod cli;
pub mod client;
mod disk_budget;
pub mod erasures;
mod exports;
pub mod inspect;
pub mod meter;
mod metrics;
mod object_store;
pub mod restore;
pub mod rotate;
mod rules;
pub mod settings;
pub mod standalone;
pub mod startup;
mod termination;
pub mod verify;
mod welcome;
