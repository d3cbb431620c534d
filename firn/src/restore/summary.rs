//! What a restore says on standard output: what is there again, what is not,
//! and the secrets that are shown only here.

use std::path::PathBuf;

use firn_storage_node::hot::BrokerKey;
use firn_tenant_service::{CatalogueExport, NewSecret, Restored, Secret};

/// What the storage node took over.
pub(super) struct Stored {
    pub(super) brokers: usize,
    pub(super) records: u64,
}

/// Facts of a restore.
pub(super) struct Summary {
    pub(super) data_dir: PathBuf,
    /// Of the export.
    pub(super) number: u64,
    pub(super) export: CatalogueExport,
    pub(super) restored: Restored,
    pub(super) operator_password: Option<Secret>,
    /// Of the books.
    pub(super) parts: u64,
    pub(super) stored: Stored,
    /// Brokers that the catalogue does not have.
    pub(super) strangers: Vec<BrokerKey>,
}

impl Summary {
    pub(super) fn text(&self) -> String {
        let Self { export, stored, .. } = self;
        let mut text = format!(
            "Restored into {} from catalogue export {}:\n  tenants {}, instances {}, topics {}, \
             groups {}\n  brokers {}, records {}\n",
            self.data_dir.display(),
            self.number,
            export.tenants().len(),
            export.instances().len(),
            export.topics().len(),
            export.groups().len(),
            stored.brokers,
            stored.records,
        );
        text.push_str(
            "Not restored: the audit log, and what had not reached the object store yet.\n",
        );
        match self.parts {
            0 => {
                text.push_str("The meter's books begin anew: nothing of before is billed again.\n")
            }
            parts => text.push_str(&format!(
                "Usage and bills are back, from {parts} parts of the books.\n"
            )),
        }
        let erasures = export.erasures().len();
        if erasures > 0 {
            text.push_str(&format!(
                "Removed instances whose data is still to be erased: {erasures}; the service goes \
                 on with it.\n"
            ));
        }
        for BrokerKey {
            tenant,
            instance,
            broker,
        } in &self.strangers
        {
            text.push_str(&format!(
                "Broker {broker} of instance {instance} of tenant {tenant} is in the object store, \
                 but not in this catalogue: its messages are kept and cannot be reached.\n"
            ));
        }
        if self.restored.has_old_secrets {
            text.push_str("Secrets and passwords are those of before.\n");
        } else {
            text.push_str(
                "Without the old master key, secrets and passwords were made anew; receipt handles \
                 and tokens of before are void. These are shown only this once:\n",
            );
            if let Some(password) = &self.operator_password {
                text.push_str(&format!(
                    "  operator   user 'operator', password '{}'\n",
                    password.expose()
                ));
            }
            for made in &self.restored.new_secrets {
                text.push_str(&secret_line(made));
            }
        }
        text
    }
}

fn secret_line(made: &NewSecret) -> String {
    let NewSecret {
        tenant,
        name,
        secret,
        ..
    } = made;
    let secret = secret.expose();
    match &made.instance {
        Some(instance) => {
            format!("  {tenant}/{instance}   access key '{name}', secret key '{secret}'\n")
        }
        None => format!("  {tenant}   user '{name}', password '{secret}'\n"),
    }
}
