//! The `firn` binary's inside: the command line, the settings of
//! `firn standalone`, its start-up checks, and the client verbs. Serving is
//! the business of the services; this crate only puts them together.

pub mod cli;
pub mod client;
pub mod inspect;
mod object_store;
mod rules;
pub mod settings;
pub mod standalone;
pub mod startup;
mod welcome;
