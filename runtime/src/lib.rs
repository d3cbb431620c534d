//! How a Firn process lives. Owns the seams to the outside: time, randomness,
//! spawning, environment, logs. Knows no messaging words.

pub mod clock;
pub mod config;
pub mod random;
pub mod tasks;
pub mod telemetry;

pub use clock::Clock;
pub use tasks::{Stop, Tasks};
