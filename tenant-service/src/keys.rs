//! The master key and what is derived from it. Owns the key file, the sealing
//! of secrets at rest and in exports, and the deployment's derived keys.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use firn_runtime::random;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::OpenError;
use crate::secret::Secret;

const SEAL_CONTEXT: &str = "firn tenant-service 1: secrets of application users";
const EXPORT_CONTEXT: &str = "firn tenant-service 1: secrets in exports of the catalogue";
const EXPORT_NONCE_CONTEXT: &str = "firn tenant-service 1: nonces in exports of the catalogue";
const PURPOSE_CONTEXT: &str = "firn tenant-service 1: keys for other purposes";
const CHECK_CONTEXT: &str = "firn tenant-service 1: check value of the master key";

/// The purpose whose key a rotation of the master key renews.
const RENEWED: &str = "token";
/// What kept keys are bound to; no access key.
const KEPT: &str = "\0keys of purposes";

/// Form of sealed bytes: this byte, the nonce, the ciphertext with its tag.
const SEAL_VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;

/// Keys derived from the master key, which itself is not kept.
pub(crate) struct Keys {
    seal: Aes256Gcm,
    export: Aes256Gcm,
    export_nonces: Zeroizing<[u8; 32]>,
    purposes: Zeroizing<[u8; 32]>,
    /// Stands for `purposes` since the master key was rotated.
    kept: Option<Zeroizing<[u8; 32]>>,
    check: [u8; 32],
}

impl Keys {
    /// Reads the key file, making it if `may_create`; a catalogue that exists
    /// already must never get a new key.
    pub(crate) fn open(path: &Path, may_create: bool) -> Result<Self, OpenError> {
        let failed = |source| OpenError::KeyFile {
            path: path.to_owned(),
            source,
        };
        match File::open(path) {
            Ok(file) => {
                let mode = file.metadata().map_err(failed)?.permissions().mode();
                Ok(Self::derive(&*read_key(path, file, mode)?))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            Err(_) if !may_create => Err(OpenError::KeyMissing {
                path: path.to_owned(),
            }),
            Err(_) => {
                let master = Zeroizing::new(random::bytes::<32>());
                write_key(path, &master).map_err(failed)?;
                Ok(Self::derive(&master))
            }
        }
    }

    /// Puts a copy of the key file `from` at `to`, whole or not at all; what was there
    /// is gone.
    pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
        let failed = |source| OpenError::KeyFile {
            path: from.to_owned(),
            source,
        };
        let file = File::open(from).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        let master = read_key(from, file, mode)?;
        write_key(to, &master).map_err(|source| OpenError::KeyFile {
            path: to.to_owned(),
            source,
        })
    }

    pub(crate) fn derive(master: &[u8; 32]) -> Self {
        let mut seal = blake3::derive_key(SEAL_CONTEXT, master);
        let mut export = blake3::derive_key(EXPORT_CONTEXT, master);
        let keys = Self {
            seal: Aes256Gcm::new(&seal.into()),
            export: Aes256Gcm::new(&export.into()),
            export_nonces: Zeroizing::new(blake3::derive_key(EXPORT_NONCE_CONTEXT, master)),
            purposes: Zeroizing::new(blake3::derive_key(PURPOSE_CONTEXT, master)),
            kept: None,
            check: blake3::derive_key(CHECK_CONTEXT, master),
        };
        seal.zeroize();
        export.zeroize();
        keys
    }

    /// Tells a catalogue's own key from any other; says nothing about the key.
    pub(crate) fn check_value(&self) -> String {
        hex::encode(self.check)
    }

    /// A key for one purpose, the same after every restart. A rotation of the master
    /// key renews that of tokens alone: who has the old one could make them.
    pub(crate) fn for_purpose(&self, purpose: &str) -> [u8; 32] {
        let key = match &self.kept {
            Some(kept) if purpose != RENEWED => kept,
            Some(_) | None => &self.purposes,
        };
        *blake3::keyed_hash(key, purpose.as_bytes()).as_bytes()
    }

    /// What the keys that take the place of these need to [`Self::keep`], sealed.
    pub(crate) fn hand_over(&self, successor: &Self) -> String {
        let kept = self.kept.as_ref().unwrap_or(&self.purposes);
        let text = Zeroizing::new(hex::encode(kept.as_slice()));
        hex::encode(encrypt(&successor.seal, random::bytes(), KEPT, &text))
    }

    /// Goes on with the keys of purposes that the catalogue was made with.
    pub(crate) fn keep(&mut self, sealed: &str) -> Result<(), &'static str> {
        let sealed = hex::decode(sealed).map_err(|_| "keys are not hexadecimal")?;
        let text = decrypt(&self.seal, KEPT, &sealed)?;
        let mut kept = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.expose(), kept.as_mut_slice())
            .map_err(|_| "keys of another length")?;
        self.kept = Some(kept);
        Ok(())
    }

    /// Encrypts a user's secret so that only the row of `access_key` can hold it.
    pub(crate) fn seal(&self, access_key: &str, secret: &Secret) -> Vec<u8> {
        encrypt(&self.seal, random::bytes(), access_key, secret.expose())
    }

    /// The inverse of [`Self::seal`]; the error names the problem.
    pub(crate) fn unseal(&self, access_key: &str, sealed: &[u8]) -> Result<Secret, &'static str> {
        decrypt(&self.seal, access_key, sealed)
    }

    /// As [`Self::seal`], for the secret that was the user's before: neither can stand
    /// in the other's place.
    pub(crate) fn seal_previous(&self, access_key: &str, secret: &Secret) -> Vec<u8> {
        let owner = previous_owner(access_key);
        encrypt(&self.seal, random::bytes(), &owner, secret.expose())
    }

    /// The inverse of [`Self::seal_previous`].
    pub(crate) fn unseal_previous(
        &self,
        access_key: &str,
        sealed: &[u8],
    ) -> Result<Secret, &'static str> {
        decrypt(&self.seal, &previous_owner(access_key), sealed)
    }

    /// Encrypts a secret of `owner` for an export. The same secret gives the
    /// same bytes, so that equal catalogues are told by equal exports: the
    /// nonce is a keyed hash of all that is encrypted under it.
    pub(crate) fn seal_for_export(&self, owner: &str, secret: &str) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new_keyed(&self.export_nonces);
        // With its length, so that no two pairs are hashed as the same bytes.
        hasher.update(&(owner.len() as u64).to_le_bytes());
        hasher.update(owner.as_bytes());
        hasher.update(secret.as_bytes());
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&hasher.finalize().as_bytes()[..NONCE_BYTES]);
        encrypt(&self.export, nonce, owner, secret)
    }

    /// The inverse of [`Self::seal_for_export`].
    pub(crate) fn unseal_export(&self, owner: &str, sealed: &[u8]) -> Result<Secret, &'static str> {
        decrypt(&self.export, owner, sealed)
    }
}

/// No access key has a zero character.
fn previous_owner(access_key: &str) -> String {
    format!("{access_key}\0previous")
}

fn encrypt(cipher: &Aes256Gcm, nonce: [u8; NONCE_BYTES], owner: &str, secret: &str) -> Vec<u8> {
    let payload = Payload {
        msg: secret.as_bytes(),
        aad: owner.as_bytes(),
    };
    let ciphertext = cipher
        .encrypt(&nonce.into(), payload)
        .expect("secrets are far below the bound of the cipher");
    let mut sealed = vec![SEAL_VERSION];
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    sealed
}

fn decrypt(cipher: &Aes256Gcm, owner: &str, sealed: &[u8]) -> Result<Secret, &'static str> {
    let (version, rest) = sealed.split_first().ok_or("empty secret")?;
    if *version != SEAL_VERSION {
        return Err("secret of an unknown form");
    }
    let (nonce, ciphertext) = rest
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or("secret cut off")?;
    let payload = Payload {
        msg: ciphertext,
        aad: owner.as_bytes(),
    };
    let plain = cipher
        .decrypt(&(*nonce).into(), payload)
        .map_err(|_| "secret does not decrypt: changed, or of another row")?;
    let text = String::from_utf8(plain).map_err(|_| "secret is not text")?;
    Ok(Secret::new(text))
}

fn read_key(path: &Path, file: File, mode: u32) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let refuse = |rule| {
        Err(OpenError::KeyFileForm {
            path: path.to_owned(),
            rule,
        })
    };
    if mode & 0o077 != 0 {
        return refuse("must not be open to group or others (chmod 600)");
    }
    let mut text = Zeroizing::new(String::new());
    // Bounded: a wrong path may lead to a file of any size.
    if let Err(source) = file.take(128).read_to_string(&mut text) {
        return Err(OpenError::KeyFile {
            path: path.to_owned(),
            source,
        });
    }
    let mut master = Zeroizing::new([0; 32]);
    if hex::decode_to_slice(text.trim_end(), master.as_mut_slice()).is_err() {
        return refuse("expected 64 hex digits");
    }
    Ok(master)
}

/// Written whole under another name first: a crash leaves no half key behind
/// that would keep the next start from making one.
fn write_key(path: &Path, master: &[u8; 32]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let mut text = Zeroizing::new(hex::encode(master));
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(bits: u32) -> std::fs::Permissions {
        std::fs::Permissions::from_mode(bits)
    }

    #[test]
    fn a_sealed_secret_belongs_to_its_row_and_key() {
        let keys = Keys::derive(&[1; 32]);
        let secret = Secret::new("s3cret");
        let sealed = keys.seal("ak", &secret);
        assert!(keys.unseal("ak", &sealed).is_ok_and(|s| s == secret));
        assert!(keys.unseal("other", &sealed).is_err());
        assert!(Keys::derive(&[2; 32]).unseal("ak", &sealed).is_err());
        assert_ne!(sealed, keys.seal("ak", &secret), "nonces never repeat");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.unseal("ak", &changed).is_err(), "byte {at}");
            assert!(keys.unseal("ak", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_secret_in_an_export_belongs_to_its_owner_and_key() {
        let keys = Keys::derive(&[1; 32]);
        let sealed = keys.seal_for_export("user ak", "s3cret");
        assert_eq!(sealed, keys.seal_for_export("user ak", "s3cret"));
        let opened = keys.unseal_export("user ak", &sealed);
        assert!(opened.is_ok_and(|s| s.expose() == "s3cret"));
        assert!(keys.unseal_export("user other", &sealed).is_err());
        let other = Keys::derive(&[2; 32]);
        assert!(other.unseal_export("user ak", &sealed).is_err());
        // Neither stands in for a row of the database, nor shares a nonce.
        assert!(keys.unseal("user ak", &sealed).is_err());
        let nonce = |owner, secret| keys.seal_for_export(owner, secret)[1..=NONCE_BYTES].to_vec();
        assert_ne!(nonce("user ak", "s3cret"), nonce("user ak", "s3crev"));
        assert_ne!(nonce("user ak", "s3cret"), nonce("user a", "ks3cret"));
    }

    #[test]
    fn purposes_have_keys_of_their_own() {
        let keys = Keys::derive(&[1; 32]);
        assert_eq!(
            keys.for_purpose("receipt"),
            Keys::derive(&[1; 32]).for_purpose("receipt")
        );
        assert_ne!(keys.for_purpose("receipt"), keys.for_purpose("token"));
        assert_ne!(
            keys.for_purpose("receipt"),
            Keys::derive(&[2; 32]).for_purpose("receipt")
        );
    }

    #[test]
    fn keys_of_purposes_outlive_a_rotation_but_for_tokens() {
        let old = Keys::derive(&[1; 32]);
        let mut new = Keys::derive(&[2; 32]);
        new.keep(&old.hand_over(&new)).unwrap();
        assert_eq!(new.for_purpose("receipt"), old.for_purpose("receipt"));
        assert_ne!(new.for_purpose("token"), old.for_purpose("token"));
        let mut newest = Keys::derive(&[3; 32]);
        newest.keep(&new.hand_over(&newest)).unwrap();
        assert_eq!(newest.for_purpose("receipt"), old.for_purpose("receipt"));
        assert!(newest.keep(&new.hand_over(&old)).is_err(), "of other keys");
        assert!(newest.keep("xx").is_err());
    }

    #[test]
    fn key_files_are_made_once_and_guarded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/master.key");
        assert!(matches!(
            Keys::open(&path, false),
            Err(OpenError::KeyMissing { .. })
        ));
        let made = Keys::open(&path, true).unwrap().check_value();
        let made_mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(made_mode & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap().len(), 65);
        assert_eq!(Keys::open(&path, true).unwrap().check_value(), made);
        for open in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, mode(open)).unwrap();
            assert!(matches!(
                Keys::open(&path, true),
                Err(OpenError::KeyFileForm { .. })
            ));
        }
        for bad in ["", "abc", &"0".repeat(63), &"0".repeat(66), &"x".repeat(64)] {
            std::fs::write(&path, bad).unwrap();
            std::fs::set_permissions(&path, mode(0o600)).unwrap();
            assert!(
                matches!(Keys::open(&path, true), Err(OpenError::KeyFileForm { .. })),
                "{bad}"
            );
        }
    }
}
