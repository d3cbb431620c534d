//! `firn console-users`: people of a tenant.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::admin::{self, Shape, some_change};
use super::args::name;
use super::connection::{ConnectionFlags, Prefer};
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
A password is better given by FIRN_NEW_PASSWORD than on the command line.

Examples (as the operator, or as an administrator of the tenant):
  firn console-users list 2 --username operator
  firn console-users create 2 ann --role viewer --username operator
  firn console-users update 2 ann --role admin --username operator")]
pub struct ConsoleUsers {
    #[command(subcommand)]
    verb: ConsoleUsersVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum ConsoleUsersVerb {
    /// List the console users of a tenant.
    List { tenant_id: u64 },
    /// Create a console user.
    Create {
        tenant_id: u64,
        #[arg(value_name = "USERNAME", value_parser = name)]
        user: String,
        #[arg(long)]
        role: Role,
        /// Its password.
        #[arg(long, env = "FIRN_NEW_PASSWORD", hide_env_values = true)]
        new_password: String,
    },
    /// Show one console user.
    Show {
        tenant_id: u64,
        #[arg(value_name = "USERNAME", value_parser = name)]
        user: String,
    },
    /// Change a console user; what is not given stays. Another password ends its log-ins.
    Update {
        tenant_id: u64,
        #[arg(value_name = "USERNAME", value_parser = name)]
        user: String,
        #[arg(long)]
        role: Option<Role>,
        /// Its password from now on.
        #[arg(long, env = "FIRN_NEW_PASSWORD", hide_env_values = true)]
        new_password: Option<String>,
    },
    /// Delete a console user and end its log-ins.
    Delete {
        tenant_id: u64,
        #[arg(value_name = "USERNAME", value_parser = name)]
        user: String,
    },
}

#[derive(Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
enum Role {
    Admin,
    Viewer,
}

impl ConsoleUsers {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let (request, shape) = self.request()?;
        admin::run(&mut session, &request, shape)
    }

    pub(super) fn request(&self) -> Result<(Request, Shape), Failure> {
        Ok(match &self.verb {
            ConsoleUsersVerb::List { tenant_id } => {
                let path = ["tenants", &tenant_id.to_string(), "users"];
                (Request::get(&path), Shape::List(&["username", "role"]))
            }
            ConsoleUsersVerb::Create {
                tenant_id,
                user,
                role,
                new_password,
            } => {
                let body = Fields::default()
                    .with("username", user)
                    .with("password", new_password)
                    .with("role", role);
                let path = ["tenants", &tenant_id.to_string(), "users"];
                (Request::post(&path, body), Shape::Object)
            }
            ConsoleUsersVerb::Show { tenant_id, user } => {
                let path = ["tenants", &tenant_id.to_string(), "users", user];
                (Request::get(&path), Shape::Object)
            }
            ConsoleUsersVerb::Update {
                tenant_id,
                user,
                role,
                new_password,
            } => {
                let body = Fields::default()
                    .maybe("role", *role)
                    .maybe("password", new_password.as_ref());
                let path = ["tenants", &tenant_id.to_string(), "users", user];
                (some_change(Request::patch(&path, body))?, Shape::Object)
            }
            ConsoleUsersVerb::Delete { tenant_id, user } => {
                let path = ["tenants", &tenant_id.to_string(), "users", user];
                let done = Shape::Done(format!("deleted console user {user}"));
                (Request::delete(&path), done)
            }
        })
    }
}
