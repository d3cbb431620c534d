//! Console users. Forms hold passwords, so none of them can be printed.

use firn_protocol::api::tenant::PersonChange;
use firn_protocol::catalogue::{ConsoleRole, ConsoleUser};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::RoleWord;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct NewPersonForm {
    pub(in crate::native) username: String,
    /// 8 to 256 bytes; no answer shows it.
    pub(in crate::native) password: String,
    /// `admin` or `viewer`
    #[schema(value_type = RoleWord)]
    pub(in crate::native) role: ConsoleRole,
}

/// Absent fields stay.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::native) struct PersonForm {
    /// 8 to 256 bytes. Ends all log-ins of this person.
    password: Option<String>,
    /// `admin` or `viewer`; counts from the next call on.
    #[schema(value_type = Option<RoleWord>)]
    role: Option<ConsoleRole>,
}

impl PersonForm {
    pub(in crate::native) fn into_change(self) -> PersonChange {
        PersonChange {
            password: self.password,
            role: self.role,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct PersonJson {
    username: String,
    #[schema(value_type = RoleWord)]
    role: ConsoleRole,
}

impl From<&ConsoleUser> for PersonJson {
    fn from(user: &ConsoleUser) -> Self {
        Self {
            username: user.username.clone(),
            role: user.role,
        }
    }
}
