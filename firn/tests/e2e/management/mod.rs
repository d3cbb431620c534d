//! The management API from outside: what SEED_SPEC 5 says of its answers is typed in here,
//! and what SEED_SPEC 8 says that it tolerates is tried, each under its name.

mod access;
mod fields;
mod guide;
mod messages;
mod objects;
mod progress;
mod samples;
mod tolerance;
mod topics;
