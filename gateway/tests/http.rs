//! The gateway over HTTP, with services in memory behind it.

#[path = "http/admin.rs"]
mod admin;
#[path = "http/admission.rs"]
mod admission;
#[path = "http/audit.rs"]
mod audit;
#[path = "http/auth.rs"]
mod auth;
#[path = "http/bad_input.rs"]
mod bad_input;
#[path = "http/bench.rs"]
mod bench;
#[path = "http/billing.rs"]
mod billing;
#[path = "http/connections.rs"]
mod connections;
#[path = "http/console.rs"]
mod console;
#[path = "http/consume.rs"]
mod consume;
#[path = "http/description.rs"]
mod description;
#[path = "http/fake_billing.rs"]
mod fake_billing;
#[path = "http/fake_books.rs"]
mod fake_books;
#[path = "http/fake_changes.rs"]
mod fake_changes;
#[path = "http/fake_hold.rs"]
mod fake_hold;
#[path = "http/fake_people.rs"]
mod fake_people;
#[path = "http/fake_queues.rs"]
mod fake_queues;
#[path = "http/fake_storage.rs"]
mod fake_storage;
#[path = "http/fake_tenants.rs"]
mod fake_tenants;
#[path = "http/fake_tokens.rs"]
mod fake_tokens;
#[path = "http/files.rs"]
mod files;
#[path = "http/management.rs"]
mod management;
#[path = "http/people.rs"]
mod people;
#[path = "http/queries.rs"]
mod queries;
#[path = "http/quota.rs"]
mod quota;
#[path = "http/rights.rs"]
mod rights;
#[path = "http/send.rs"]
mod send;
#[path = "http/server.rs"]
mod server;
#[path = "http/sessions.rs"]
mod sessions;
#[path = "http/stream.rs"]
mod stream;
#[path = "http/tokens.rs"]
mod tokens;
#[path = "http/world.rs"]
mod world;
