//! The catalogue on its way out and in: exports of it, and a new one from an
//! export. Owns what becomes of secrets on the way.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use firn_protocol::catalogue::{ConsoleUser, Topic};
use firn_protocol::{ApiResult, InstanceId, TenantId, Timestamp};
use firn_runtime::{Clock, random, tasks};
use tokio::sync::watch;

use super::operator::new_password;
use super::{TenantService, catalogue_url, password_error};
use crate::catalogue::users::new_secret;
use crate::catalogue::{Audit, Change, ConsoleRow, TokenRow, UserRow, console};
use crate::config::{CatalogueUrl, TenantConfig};
use crate::error::{OpenError, StoreError};
use crate::export::{CatalogueExport, IdsInUse, Moment, SealedPerson, SealedUser, Unpacked};
use crate::keys::Keys;
use crate::passwords::Passwords;
use crate::secret::Secret;
use crate::store::{Batch, CATALOGUE_ID, KEY_CHECK, Origin, Session, Store};

/// What became of a catalogue that was made from an export.
#[derive(Debug)]
pub struct Restored {
    /// Whether the secrets are those of before.
    pub has_old_secrets: bool,
    /// Made anew; shown here and nowhere else.
    pub new_secrets: Vec<NewSecret>,
}

/// A secret that took the place of one that could not be read.
#[derive(Debug)]
pub struct NewSecret {
    /// The name of the tenant.
    pub tenant: String,
    /// The name of the instance; `None` for a person.
    pub instance: Option<String>,
    /// Access key or user name.
    pub name: String,
    pub secret: Secret,
}

impl TenantService {
    /// Which catalogue this is; a restore keeps it.
    #[must_use]
    pub fn catalogue_id(&self) -> u128 {
        self.shared.catalogue_id
    }

    /// Follows the changes: its value is another one after each.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Everything as it stands after the last change that was answered.
    ///
    /// # Errors
    /// `CATALOGUE_UNAVAILABLE`, when it is not known what the database holds.
    pub async fn export(&self) -> ApiResult<CatalogueExport> {
        // Rows and numbers of one moment: no change is under way.
        let writer = self.shared.writer().await?;
        let terms = self.shared.store.all_terms().await?;
        let moment = Moment::of(&self.shared.memory.read(), writer.numbers, terms);
        drop(writer);
        let shared = self.shared.clone();
        Ok(tasks::blocking(move || moment.seal(&shared.keys)).await)
    }

    /// Makes the catalogue in `config`, which must not exist yet, from an export,
    /// and opens it. `key_from` is a copy of the master key file; without one a new
    /// key is made, and all secrets with it. Numbers that `used` has, and some
    /// more, are never given out.
    ///
    /// # Errors
    /// One line; then the catalogue must not be used.
    pub async fn restore(
        config: TenantConfig,
        clock: Clock,
        found: &Unpacked,
        key_from: Option<&Path>,
        used: IdsInUse,
    ) -> Result<(Arc<Self>, Restored), OpenError> {
        let url = catalogue_url(&config)?;
        if exists(&url).await? {
            let place = url.place();
            return Err(OpenError::Exists { place });
        }
        if let Some(from) = key_from {
            found.export.check_key(from)?;
            if from != config.master_key_file {
                Keys::copy(from, &config.master_key_file)?;
            }
        }
        let keys = Keys::open(&config.master_key_file, key_from.is_none())?;
        let numbers = found.export.numbers_after(used);
        let (changes, restored) = Rows::new(&found.export, &keys, numbers.revision)
            .all()
            .await?;
        let id = id_text(found.head.catalogue);
        let detail = serde_json::json!({"secretsKept": restored.has_old_secrets});
        let audit = Audit {
            tenant: None,
            action: "catalogue.restore",
            object: id.clone(),
            detail,
        };
        let origin = Origin {
            caller: "restore".to_owned(),
            request_id: String::new(),
        };
        let batch = Batch {
            at: Timestamp(clock.now_ms()),
            changes,
            numbers,
            audit: vec![(audit, origin)],
            terms: found.export.terms().to_vec(),
            version: Some(1),
        };
        let store = Store::open(&url).await?;
        let (mut session, _) = store.begin().await?;
        if session.setting(KEY_CHECK).await?.is_some() {
            let place = url.place();
            return Err(OpenError::Exists { place });
        }
        session.set_setting(KEY_CHECK, &keys.check_value()).await?;
        session.set_setting(CATALOGUE_ID, &id).await?;
        session.write(&batch, &keys).await?;
        store.close().await;
        Ok((Self::open(config, clock).await?, restored))
    }
}

/// Whether there is a catalogue already. Makes no file.
pub(super) async fn exists(url: &CatalogueUrl) -> Result<bool, OpenError> {
    if let CatalogueUrl::Sqlite(path) = url {
        return Ok(path.exists());
    }
    let store = Store::open(url).await?;
    let (mut session, _) = store.begin().await?;
    let check = session.setting(KEY_CHECK).await?;
    session.rollback().await?;
    store.close().await;
    Ok(check.is_some())
}

/// The id of the catalogue, drawn when it is made.
pub(super) async fn open_id(session: &mut Session) -> Result<u128, OpenError> {
    if let Some(text) = session.setting(CATALOGUE_ID).await? {
        let id = u128::from_str_radix(&text, 16).map_err(|_| StoreError::Damaged {
            table: "setting",
            problem: "catalogue_id is no hexadecimal number".to_owned(),
        })?;
        return Ok(id);
    }
    let id = u128::from_le_bytes(random::bytes());
    session.set_setting(CATALOGUE_ID, &id_text(id)).await?;
    Ok(id)
}

fn id_text(id: u128) -> String {
    format!("{id:032x}")
}

/// The rows of an export as changes of a new catalogue.
struct Rows<'a> {
    export: &'a CatalogueExport,
    keys: &'a Keys,
    tenants: HashMap<TenantId, &'a str>,
    instances: HashMap<InstanceId, &'a str>,
    /// No topic had a version as high.
    topic_version: u64,
    changes: Vec<Change>,
    restored: Restored,
}

impl<'a> Rows<'a> {
    fn new(export: &'a CatalogueExport, keys: &'a Keys, topic_version: u64) -> Self {
        let tenants = export.tenants();
        let instances = export.instances();
        Self {
            export,
            keys,
            tenants: tenants.map(|it| (it.id, it.name.as_str())).collect(),
            instances: instances.map(|it| (it.id, it.name.as_str())).collect(),
            topic_version,
            changes: Vec::new(),
            restored: Restored {
                has_old_secrets: export.is_sealed_with(keys),
                new_secrets: Vec::new(),
            },
        }
    }

    /// In an order in which each row finds those that it refers to.
    async fn all(mut self) -> Result<(Vec<Change>, Restored), OpenError> {
        let export = self.export;
        let tenants = export.tenants().cloned().map(Arc::new);
        self.changes.extend(tenants.map(Change::AddTenant));
        let lists = export.price_lists().cloned().map(Arc::new);
        self.changes.extend(lists.map(Change::AddPrices));
        let plans = export.plans().cloned().map(Arc::new);
        self.changes.extend(plans.map(Change::AddPlan));
        let instances = export.instances().cloned().map(Arc::new);
        self.changes.extend(instances.map(Change::AddInstance));
        let version = self.topic_version;
        let topics = export.topics().cloned();
        let topics = topics.map(|topic| Arc::new(Topic { version, ..topic }));
        self.changes.extend(topics.map(Change::AddTopic));
        let groups = export.groups().cloned().map(Arc::new);
        self.changes.extend(groups.map(Change::AddGroup));
        for sealed in &export.users {
            self.user(sealed)?;
        }
        if self.restored.has_old_secrets {
            let tokens = export.tokens().map(|(token, hash)| TokenRow {
                token: Arc::new(token.clone()),
                hash,
                noted_ms: 0,
                used_ms: Arc::default(),
            });
            self.changes.extend(tokens.map(Change::AddApiToken));
        }
        let passwords = Passwords::new().await.map_err(password_error)?;
        for sealed in &export.people {
            self.person(sealed, &passwords).await?;
        }
        let erasures = export.erasures().cloned().map(Arc::new);
        self.changes.extend(erasures.map(Change::AddErasure));
        let revoked = export.revoked().iter().cloned();
        self.changes
            .extend(revoked.map(|(id, until)| Change::RevokeToken(id, until)));
        Ok((self.changes, self.restored))
    }

    fn user(&mut self, sealed: &SealedUser) -> Result<(), OpenError> {
        let mut user = sealed.user.0.clone();
        let mut previous = None;
        let secret = if self.restored.has_old_secrets {
            if let Some((until, secret)) = self.export.previous(&user, self.keys)? {
                Arc::make_mut(&mut user).previous_valid_until = Some(until);
                previous = Some(Arc::new(secret));
            }
            sealed.open(self.keys)?
        } else {
            let made = new_secret();
            let instance = self.instances.get(&user.instance);
            self.told(
                Some(user.tenant),
                instance.copied(),
                &user.access_key,
                &made,
            );
            made
        };
        self.changes.push(Change::AddUser(UserRow {
            user,
            secret: Arc::new(secret),
            previous,
        }));
        Ok(())
    }

    async fn person(
        &mut self,
        sealed: &SealedPerson,
        passwords: &Passwords,
    ) -> Result<(), OpenError> {
        let user = ConsoleUser::clone(&sealed.user.0);
        let password_hash = if self.restored.has_old_secrets {
            sealed.open(self.keys)?.expose().into()
        } else if user.tenant.is_none() && user.username == console::OPERATOR {
            // Made when the catalogue is opened, as at a first start.
            return Ok(());
        } else {
            let made = new_password();
            self.told(user.tenant, None, &user.username, &made);
            passwords.hash(made).await.map_err(password_error)?
        };
        let row = ConsoleRow::new(user, password_hash);
        self.changes.push(Change::AddConsoleUser(row));
        Ok(())
    }

    /// Keeps a new secret for the one report that shows it.
    fn told(
        &mut self,
        tenant: Option<TenantId>,
        instance: Option<&str>,
        name: &str,
        made: &Secret,
    ) {
        let tenant = tenant.and_then(|id| self.tenants.get(&id).copied());
        self.restored.new_secrets.push(NewSecret {
            tenant: tenant.unwrap_or_default().to_owned(),
            instance: instance.map(str::to_owned),
            name: name.to_owned(),
            secret: made.clone(),
        });
    }
}
