//! The operator: the one person that every catalogue has.

use firn_protocol::catalogue::{ConsoleRole, ConsoleUser};
use firn_protocol::limits::PASSWORD_BYTES_MAX;
use firn_runtime::random;

use super::{TenantService, password_error};
use crate::catalogue::{Change, ConsoleRow, console};
use crate::error::OpenError;
use crate::secret::Secret;

impl TenantService {
    /// Makes the operator if there is none, and gives it the password in the
    /// settings if it has another.
    pub(super) async fn ensure_operator(&self, given: Option<Secret>) -> Result<(), OpenError> {
        let stored = {
            let memory = self.shared.memory.read();
            let row = memory.console_user(None, console::OPERATOR);
            row.map(|row| row.password_hash.clone())
        };
        let known = stored.is_some();
        let password = match given {
            None if known => return Ok(()),
            None => {
                let made = new_password();
                *self.generated_password.lock() = Some(made.clone());
                made
            }
            Some(given) => {
                let length = given.expose().len();
                if !(1..=PASSWORD_BYTES_MAX).contains(&length) {
                    let rule = format!("1 to {PASSWORD_BYTES_MAX} bytes");
                    return Err(OpenError::Password { rule });
                }
                let matching = self.passwords.matches(stored, given.clone()).await;
                if matching.map_err(password_error)? {
                    return Ok(());
                }
                given
            }
        };
        let password_hash = self
            .passwords
            .hash(password)
            .await
            .map_err(password_error)?;
        let user = ConsoleUser {
            tenant: None,
            username: console::OPERATOR.to_owned(),
            role: ConsoleRole::Operator,
        };
        let row = ConsoleRow {
            user,
            password_hash,
        };
        let action = if known {
            "consoleUser.change"
        } else {
            "consoleUser.create"
        };
        self.change(None, |draft| {
            let object = row.user.username.clone();
            draft.audit(
                None,
                action,
                object,
                serde_json::json!({"role": "operator"}),
            );
            draft.push(match known {
                true => Change::SetConsoleUser(row),
                false => Change::AddConsoleUser(row),
            });
            Ok(())
        })
        .await
        .map_err(password_error)
    }
}

/// A password that nobody could guess.
pub(super) fn new_password() -> Secret {
    Secret::new(hex::encode(random::bytes::<12>()))
}
