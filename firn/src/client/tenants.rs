//! `firn tenants`.

use clap::{Args, Subcommand};

use super::admin::{self, Shape};
use super::connection::{ConnectionFlags, Prefer};
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Examples (as the operator, with FIRN_PASSWORD set):
  firn tenants list --username operator
  firn tenants create 7 'Winter Ltd' --username operator")]
pub struct Tenants {
    #[command(subcommand)]
    verb: TenantsVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum TenantsVerb {
    /// List the tenants.
    List,
    /// Create a tenant.
    Create { id: u64, name: String },
    /// Show one tenant.
    Show { id: u64 },
    /// Rename a tenant.
    Update {
        id: u64,
        #[arg(long)]
        name: String,
    },
    /// Delete a tenant.
    Delete { id: u64 },
}

impl Tenants {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let (request, shape) = self.request();
        admin::run(&mut session, &request, shape)
    }

    pub(super) fn request(&self) -> (Request, Shape) {
        let one = |id: &u64| id.to_string();
        match &self.verb {
            TenantsVerb::List => (Request::get(&["tenants"]), Shape::List(&["id", "name"])),
            TenantsVerb::Create { id, name } => {
                let body = Fields::default().with("id", id).with("name", name);
                (Request::post(&["tenants"], body), Shape::Object)
            }
            TenantsVerb::Show { id } => (Request::get(&["tenants", &one(id)]), Shape::Object),
            TenantsVerb::Update { id, name } => {
                let body = Fields::default().with("name", name);
                (Request::patch(&["tenants", &one(id)], body), Shape::Object)
            }
            TenantsVerb::Delete { id } => {
                let done = Shape::Done(format!("deleted tenant {id}"));
                (Request::delete(&["tenants", &one(id)]), done)
            }
        }
    }
}
