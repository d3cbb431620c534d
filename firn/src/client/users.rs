//! `firn users`: application users of an instance.

use clap::{Args, Subcommand};

use super::admin::{self, Shape, some_change};
use super::args::name;
use super::connection::{ConnectionFlags, Prefer};
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Examples:
  firn users create shop -i demo --topic orders --topic returns
  firn users rotate shop -i demo
  firn users show shop -i demo --reveal")]
pub struct Users {
    #[command(subcommand)]
    verb: UsersVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum UsersVerb {
    /// List the application users of an instance.
    List,
    /// Create a user and print its secret, which is shown this once.
    Create {
        #[arg(value_name = "ACCESS_KEY", value_parser = name)]
        user: String,
        /// Secret to use instead of a made one.
        #[arg(long)]
        secret: Option<String>,
        #[command(flatten)]
        fields: UserFlags,
    },
    /// Show one user.
    Show {
        #[arg(value_name = "ACCESS_KEY", value_parser = name)]
        user: String,
        /// Show the secret too; this is audited.
        #[arg(long)]
        reveal: bool,
    },
    /// Change a user; what is not given stays.
    Update {
        #[arg(value_name = "ACCESS_KEY", value_parser = name)]
        user: String,
        #[command(flatten)]
        fields: UserFlags,
    },
    /// Replace a user's secret and print the new one.
    Rotate {
        #[arg(value_name = "ACCESS_KEY", value_parser = name)]
        user: String,
        /// How long the secret of before stays valid; 0 ends it at once [default: a day].
        #[arg(long, value_name = "SECONDS")]
        grace_seconds: Option<u64>,
    },
    /// Delete a user.
    Delete {
        #[arg(value_name = "ACCESS_KEY", value_parser = name)]
        user: String,
    },
}

#[derive(Args)]
struct UserFlags {
    /// Topic that it is limited to; repeat for several [default: all, and administration].
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// A note for people.
    #[arg(long)]
    description: Option<String>,
    /// Address that it may call from; repeat for several [default: any].
    #[arg(long = "ip-allow", value_name = "ADDRESS")]
    ip_allow: Vec<String>,
}

impl UserFlags {
    fn put(&self, fields: Fields) -> Fields {
        fields
            .list("topics", &self.topics)
            .maybe("description", self.description.as_ref())
            .list("ipAllow", &self.ip_allow)
    }
}

impl Users {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let (request, shape) = self.request(&session.instance()?)?;
        admin::run(&mut session, &request, shape)
    }

    pub(super) fn request(&self, instance: &str) -> Result<(Request, Shape), Failure> {
        let all = ["instances", instance, "users"];
        let one = |user| ["instances", instance, "users", user];
        Ok(match &self.verb {
            UsersVerb::List => {
                let columns = &["accessKey", "topics", "ipAllow", "description"];
                (Request::get(&all), Shape::List(columns))
            }
            UsersVerb::Create {
                user,
                secret,
                fields,
            } => {
                let body = Fields::default()
                    .with("accessKey", user)
                    .maybe("secretKey", secret.as_ref());
                (Request::post(&all, fields.put(body)), Shape::Object)
            }
            UsersVerb::Show { user, reveal } => {
                let request = Request::get(&one(user)).query("reveal", reveal.then_some(true));
                (request, Shape::Object)
            }
            UsersVerb::Update { user, fields } => {
                let request = Request::patch(&one(user), fields.put(Fields::default()));
                (some_change(request)?, Shape::Object)
            }
            UsersVerb::Rotate {
                user,
                grace_seconds,
            } => {
                let path = ["instances", instance, "users", user, "rotate"];
                let body = Fields::default().maybe("graceSeconds", *grace_seconds);
                (Request::post(&path, body), Shape::Object)
            }
            UsersVerb::Delete { user } => {
                let done = Shape::Done(format!("deleted user {user}"));
                (Request::delete(&one(user)), done)
            }
        })
    }
}
