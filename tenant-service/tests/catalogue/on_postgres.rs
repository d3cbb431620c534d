//! The tests of `main.rs` again, on PostgreSQL, and what it alone can do.
#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "all of this is tests, and their helpers"
)]

mod api_tokens;
mod bills;
mod books;
mod bootstrap;
mod console;
#[path = "cluster.rs"]
mod database;
mod export;
mod instances;
mod lifecycle;
mod master_key;
mod parts;
mod place;
#[path = "../support/postgres.rs"]
mod postgres;
mod restart;
mod server;
mod shared;
mod topics;
mod users;
