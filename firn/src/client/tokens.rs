//! `firn tokens`: tokens for programs, of an instance or for all of a tenant.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::admin::{self, Shape};
use super::args::{name, time};
use super::connection::{ConnectionFlags, Prefer};
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Examples (as the operator, or as an administrator of the tenant):
  firn tokens create shipping --scope consume --topic orders -i demo --username operator
  firn tokens create deploys --scope manage --tenant-id 2 --username operator
  firn tokens list --tenant-id 2 --username operator")]
pub struct Tokens {
    #[command(subcommand)]
    verb: TokensVerb,
    /// For all instances of this tenant, in place of one instance.
    #[arg(long, value_name = "ID", global = true)]
    tenant_id: Option<u64>,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum TokensVerb {
    /// List tokens, without what proves them.
    List,
    /// Create a token and print it, which is shown this once.
    Create {
        #[arg(value_parser = name)]
        name: String,
        /// What it may do; repeat for several.
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
        /// Topic that it is limited to; repeat for several [default: all].
        #[arg(long = "topic", value_name = "TOPIC")]
        topics: Vec<String>,
        /// Group that it is limited to; repeat for several [default: all].
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// When it ends [default: in 90 days].
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires_at: Option<u64>,
    },
    /// Delete a token; it stops working at once.
    Delete {
        #[arg(value_parser = name)]
        id: String,
    },
}

#[derive(Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
enum Scope {
    Read,
    Manage,
    Produce,
    Consume,
}

impl Tokens {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let instance = match self.tenant_id {
            Some(_) => String::new(),
            None => session.instance()?,
        };
        let (request, shape) = self.request(&instance);
        admin::run(&mut session, &request, shape)
    }

    /// `instance` counts when no tenant is given.
    pub(super) fn request(&self, instance: &str) -> (Request, Shape) {
        let tenant = self.tenant_id.map(|id| id.to_string());
        let (kind, place) = match &tenant {
            Some(tenant) => ("tenants", tenant.as_str()),
            None => ("instances", instance),
        };
        let all = [kind, place, "tokens"];
        match &self.verb {
            TokensVerb::List => {
                let columns = &["id", "name", "scopes", "expiresAt", "lastUsedAt"];
                (Request::get(&all), Shape::List(columns))
            }
            TokensVerb::Create {
                name,
                scopes,
                topics,
                groups,
                expires_at,
            } => {
                let body = Fields::default()
                    .with("name", name)
                    .list("scopes", scopes)
                    .list("topics", topics)
                    .list("groups", groups)
                    .maybe("expiresAt", *expires_at);
                (Request::post(&all, body), Shape::Object)
            }
            TokensVerb::Delete { id } => {
                let done = Shape::Done(format!("deleted token {id}"));
                (Request::delete(&[kind, place, "tokens", id]), done)
            }
        }
    }
}
