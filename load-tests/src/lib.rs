//! The benchmark of the product: load generators, drivers for Firn and the servers it is
//! compared with, a floor server, and a report that sets them side by side.
//!
//! It sees what any user sees: public endpoints. It promises that whatever it counts as
//! sent was answered as durable, and that contents and order are checked, not just rates.

mod beside;
pub mod bill;
pub mod body;
pub mod clock;
pub mod disk;
pub mod driver;
pub mod flood;
pub mod floor;
pub mod generator;
pub mod http;
pub mod idle;
pub mod machine;
pub mod net;
pub mod process;
pub mod quota;
pub mod report;
pub mod run;
pub mod setup;
pub mod stats;
mod table;
pub mod tier;
pub mod verify;
pub mod waiting;
pub mod workload;
