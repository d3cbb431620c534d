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
        let is_generated = given.is_none();
        let password = match given {
            None if stored.is_some() => return Ok(()),
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
            password_mark: 0,
        };
        let row = ConsoleRow::new(user, password_hash);
        let made = self.change(None, |draft| {
            let stored = draft.memory.console_user(None, console::OPERATOR);
            let (action, change) = match stored {
                // Another process was first; its password counts.
                Some(_) if is_generated => return Ok(false),
                Some(_) => ("consoleUser.change", Change::SetConsoleUser(row)),
                None => ("consoleUser.create", Change::AddConsoleUser(row)),
            };
            let detail = serde_json::json!({"role": "operator"});
            draft.audit(None, action, console::OPERATOR.to_owned(), detail);
            draft.push(change);
            Ok(true)
        });
        if !made.await.map_err(password_error)? {
            *self.generated_password.lock() = None;
        }
        Ok(())
    }
}

/// A password that nobody could guess.
pub(super) fn new_password() -> Secret {
    Secret::new(hex::encode(random::bytes::<12>()))
}
