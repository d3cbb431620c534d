//! The tenant service as its callers see it, on SQLite in a temporary folder.
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
mod database;
mod export;
mod file;
mod instances;
mod lifecycle;
mod master_key;
mod parts;
mod place;
mod restart;
mod topics;
mod users;
