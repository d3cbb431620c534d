//! The client verbs. Each verb's file owns its flags, the requests that these
//! make, and how the answer is shown; what the server allows is left to it.

mod admin;
mod api;
mod args;
mod billing;
mod connection;
mod console_users;
mod error;
mod files;
mod groups;
mod instances;
mod lag;
mod output;
mod query;
mod receive;
mod redrive;
mod request;
mod seek;
mod send;
mod tenants;
mod tokens;
mod topics;
mod users;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Subcommand;

use api::{Answer, Api};
use connection::{Connection, ConnectionFlags, Prefer};
pub use error::Failure;
use output::{Out, remark};
use request::Request;

#[derive(Subcommand)]
pub enum Verb {
    /// Send messages to a topic.
    Send(send::Send),
    /// Receive messages for a group, print their bodies, and acknowledge them.
    Receive(receive::Receive),
    /// List, create, show, change, delete, import or export topics.
    Topics(topics::Topics),
    /// List, create, show, change, delete, import or export consumer groups.
    Groups(groups::Groups),
    /// List, create, show, change or delete application users.
    Users(users::Users),
    /// List, create or delete tokens for programs.
    Tokens(tokens::Tokens),
    /// List, create, show, change or delete console users of a tenant.
    ConsoleUsers(console_users::ConsoleUsers),
    /// List, create, show, change or delete instances.
    Instances(instances::Instances),
    /// List, create, show or delete tenants (operator).
    Tenants(tenants::Tenants),
    /// Show how far a group is behind.
    Lag(lag::Lag),
    /// Move a group's progress on a topic.
    Seek(seek::Seek),
    /// Look up stored messages.
    Query(query::Query),
    /// Send a group's dead letters back.
    Redrive(redrive::Redrive),
    /// Show what an instance used.
    Usage(billing::Usage),
    /// List, show or verify the bills of a tenant.
    Bills(billing::Bills),
    /// List or create plans, or list price lists.
    Plans(billing::Plans),
    /// Show who changed what.
    Audit(billing::Audit),
}

/// Runs a verb; errors go to standard error in one line.
pub fn main(verb: &Verb) -> ExitCode {
    let outcome = match verb {
        Verb::Send(verb) => verb.run(),
        Verb::Receive(verb) => verb.run(),
        Verb::Topics(verb) => verb.run(),
        Verb::Groups(verb) => verb.run(),
        Verb::Users(verb) => verb.run(),
        Verb::Tokens(verb) => verb.run(),
        Verb::ConsoleUsers(verb) => verb.run(),
        Verb::Instances(verb) => verb.run(),
        Verb::Tenants(verb) => verb.run(),
        Verb::Lag(verb) => verb.run(),
        Verb::Seek(verb) => verb.run(),
        Verb::Query(verb) => verb.run(),
        Verb::Redrive(verb) => verb.run(),
        Verb::Usage(verb) => verb.run(),
        Verb::Bills(verb) => verb.run(),
        Verb::Plans(verb) => verb.run(),
        Verb::Audit(verb) => verb.run(),
    };
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    let code = failure.exit_code();
    if code != 0 {
        remark(&failure.to_string());
    }
    ExitCode::from(code)
}

/// One verb's talk with one server.
struct Session {
    api: Api,
    instance: Option<String>,
    out: Out,
}

impl Session {
    fn open(flags: &ConnectionFlags, prefer: Prefer) -> Result<Self, Failure> {
        let connection = Connection::find(flags, prefer)?;
        Ok(Self {
            api: Api::connect(&connection)?,
            instance: connection.instance,
            out: Out::stdout(flags.json),
        })
    }

    /// The instance that the verb is about.
    fn instance(&self) -> Result<String, Failure> {
        let missing = "no instance: use --instance, FIRN_INSTANCE or a profile";
        let instance = self.instance.clone();
        instance.ok_or_else(|| Failure::Usage(missing.to_owned()))
    }

    /// Calls, and prints the answer as it is if JSON was asked for; the caller
    /// prints what comes back otherwise.
    fn ask(&mut self, request: &Request) -> Result<Option<Answer>, Failure> {
        let answer = self.api.call(request)?;
        if !self.out.json {
            return Ok(Some(answer));
        }
        if !answer.text.is_empty() {
            self.out.line(&answer.text)?;
        }
        Ok(None)
    }
}
