//! `firn instances`.

use clap::{Args, Subcommand};

use super::admin::{self, Shape, some_change};
use super::args::{name, time};
use super::connection::{ConnectionFlags, Prefer};
use super::request::{Fields, Request};
use super::{Failure, Session};

#[derive(Args)]
#[command(after_help = "\
Examples:
  firn instances list --username operator
  firn instances create shop --tenant-id 2 --plan basic --broker a --broker b
  firn instances delete shop")]
pub struct Instances {
    #[command(subcommand)]
    verb: InstancesVerb,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Subcommand)]
enum InstancesVerb {
    /// List the instances that you may see.
    List,
    /// Create an instance.
    Create {
        #[arg(value_parser = name)]
        name: String,
        /// Tenant that it belongs to [default: your own].
        #[arg(long, value_name = "ID")]
        tenant_id: Option<u64>,
        #[command(flatten)]
        fields: InstanceFlags,
    },
    /// Show one instance, by name or id.
    Show {
        #[arg(value_parser = name)]
        name: String,
    },
    /// Change an instance; what is not given stays, brokers are added.
    Update {
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        fields: InstanceFlags,
    },
    /// Delete an instance and all that is in it.
    Delete {
        #[arg(value_parser = name)]
        name: String,
    },
}

#[derive(Args)]
struct InstanceFlags {
    /// basic, intermediate, serverless, or a plan of the operator.
    #[arg(long)]
    plan: Option<String>,
    /// Broker of the instance; repeat for several.
    #[arg(long = "broker", value_name = "NAME")]
    brokers: Vec<String>,
    /// After which step a send is answered.
    #[arg(long, value_parser = ["local", "object"])]
    durability: Option<String>,
    /// How long messages stay.
    #[arg(long, value_name = "HOURS")]
    retention_hours: Option<u32>,
    /// What happens at the storage bound.
    #[arg(long, value_parser = ["dataFirst", "serviceFirst"])]
    disk_policy: Option<String>,
    /// A note for people.
    #[arg(long)]
    remark: Option<String>,
    /// Time zone of bills and charts, like Asia/Shanghai.
    #[arg(long)]
    time_zone: Option<String>,
    /// When it ends: milliseconds since 1970 or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires_at: Option<u64>,
}

impl InstanceFlags {
    fn put(&self, fields: Fields) -> Fields {
        fields
            .maybe("plan", self.plan.as_ref())
            .list("brokers", &self.brokers)
            .maybe("durability", self.durability.as_ref())
            .maybe("retentionHours", self.retention_hours)
            .maybe("diskPolicy", self.disk_policy.as_ref())
            .maybe("remark", self.remark.as_ref())
            .maybe("timeZone", self.time_zone.as_ref())
            .maybe("expiresAt", self.expires_at)
    }
}

impl Instances {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut session = Session::open(&self.connection, Prefer::Person)?;
        let (request, shape) = self.request()?;
        admin::run(&mut session, &request, shape)
    }

    pub(super) fn request(&self) -> Result<(Request, Shape), Failure> {
        let one = |name| ["instances", name];
        Ok(match &self.verb {
            InstancesVerb::List => {
                let columns = &[
                    "name",
                    "id",
                    "tenantId",
                    "plan",
                    "brokers",
                    "durability",
                    "status",
                ];
                (Request::get(&["instances"]), Shape::List(columns))
            }
            InstancesVerb::Create {
                name,
                tenant_id,
                fields,
            } => {
                let body = Fields::default()
                    .with("name", name)
                    .maybe("tenantId", *tenant_id);
                (
                    Request::post(&["instances"], fields.put(body)),
                    Shape::Object,
                )
            }
            InstancesVerb::Show { name } => (Request::get(&one(name)), Shape::Object),
            InstancesVerb::Update { name, fields } => {
                let request = Request::patch(&one(name), fields.put(Fields::default()));
                (some_change(request)?, Shape::Object)
            }
            InstancesVerb::Delete { name } => {
                let done = Shape::Done(format!("deleted instance {name}"));
                (Request::delete(&one(name)), done)
            }
        })
    }
}
