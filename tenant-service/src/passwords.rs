//! Passwords of people: argon2id, off the async threads, a bounded number at
//! a time, and as slow for names that do not exist as for those that do.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use firn_protocol::{ApiError, ErrorCode};
use firn_runtime::random;
use tokio::sync::Semaphore;

use crate::secret::Secret;

/// 19 MiB, two passes, one lane: the smallest setting that OWASP recommends.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes at once: bounds memory (38 MiB) and the share of the processors.
const RUNNING_MAX: usize = 2;
/// Hashes at once and waiting; more are refused.
const ADMITTED_MAX: usize = 64;

/// Makes and checks password hashes.
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// Checked in place of the hash of somebody who does not exist.
    decoy: Arc<str>,
}

impl Passwords {
    pub(crate) async fn new() -> Result<Self, ApiError> {
        let mut passwords = Self {
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
            admitted: Arc::new(Semaphore::new(ADMITTED_MAX)),
            decoy: "".into(),
        };
        let unknown = Secret::new(hex::encode(random::bytes::<16>()));
        passwords.decoy = passwords.hash(unknown).await?;
        Ok(passwords)
    }

    /// The hash to store for a password.
    pub(crate) async fn hash(&self, password: Secret) -> Result<Arc<str>, ApiError> {
        self.run(move || {
            let hash = hasher()
                .hash_password_with_salt(password.expose().as_bytes(), &random::bytes::<16>());
            hash.map(|hash| hash.to_string().into())
        })
        .await?
        .map_err(|error| ApiError::new(ErrorCode::Internal, format!("password hash: {error}")))
    }

    /// Whether the password is the one of this hash; `None` takes as long and is `false`.
    pub(crate) async fn matches(
        &self,
        hash: Option<Arc<str>>,
        password: Secret,
    ) -> Result<bool, ApiError> {
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let equal = self
            .run(move || {
                let hash = PasswordHash::new(&hash)?;
                hasher().verify_password(password.expose().as_bytes(), &hash)
            })
            .await?;
        Ok(exists && equal.is_ok())
    }

    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, ApiError> {
        let Ok(admitted) = self.admitted.clone().try_acquire_owned() else {
            let text = "too many log-ins at once, try again";
            return Err(ApiError::new(ErrorCode::Overloaded, text));
        };
        let running = self.running.clone().acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            // Held by the work, which goes on when the caller is gone.
            let _permits = (admitted, running);
            work()
        })
        .await
        .map_err(|error| ApiError::new(ErrorCode::Internal, format!("password hash: {error}")))
    }
}

fn hasher() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).expect("constants within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_person_matches() {
        let mut passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash(Secret::new("right")).await.unwrap();
        // Even whoever guesses the decoy's password is nobody.
        passwords.decoy = hash.clone();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let check = async |hash, text| passwords.matches(hash, Secret::new(text)).await.unwrap();
        assert!(check(Some(hash.clone()), "right").await);
        assert!(!check(Some(hash.clone()), "wrong").await);
        assert!(!check(Some("garbage".into()), "right").await);
        assert!(!check(None, "right").await);
    }

    #[tokio::test]
    async fn a_crowd_is_refused_and_not_queued_without_end() {
        let passwords = Passwords::new().await.unwrap();
        let crowd = passwords
            .admitted
            .clone()
            .acquire_many_owned(ADMITTED_MAX as u32);
        let crowd = crowd.await.unwrap();
        let refused = passwords.matches(None, Secret::new("x")).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Overloaded);
        drop(crowd);
        assert!(!passwords.matches(None, Secret::new("x")).await.unwrap());
    }
}
