//! R12, seen from whoever tries: what is somebody else's is answered exactly as what
//! is not there, and nothing comes of it.

use serde_json::{Value, json};

use super::world::{READERS, World};
use crate::http::Answer;
use crate::stack::ACME;

/// Stands for the id in a path or a form.
const ID: &str = "{ID}";
/// Ids that are no longer than this may stand in an answer by chance.
const SHORT: usize = 8;

/// Calls of an instance, below its id.
const CALLS: [(&str, &str, &str); 18] = [
    ("GET", "", ""),
    ("GET", "/topics", ""),
    ("GET", "/topics/plain", ""),
    ("GET", "/groups/g1/lag", ""),
    ("GET", "/users", ""),
    ("GET", "/tokens", ""),
    ("GET", "/sessions", ""),
    ("GET", "/usage", ""),
    ("GET", "/topics/plain/messages?key=shared", ""),
    ("GET", "/topics/plain/peek", ""),
    ("GET", "/topics/money/transactions?state=open", ""),
    (
        "POST",
        "/topics/plain/messages",
        r#"{"messages": [{"body": "trespass"}]}"#,
    ),
    ("POST", "/topics/plain/purge", "{}"),
    ("POST", "/groups/g1/topics/plain/receive", "{}"),
    (
        "POST",
        "/groups/g1/topics/plain/seek",
        r#"{"to": "latest"}"#,
    ),
    ("POST", "/topics", r#"{"name": "more"}"#),
    ("DELETE", "/topics/empty", ""),
    ("DELETE", "/groups/idle", ""),
];

/// A call that names something of the other tenant.
struct Attempt {
    method: &'static str,
    path: String,
    form: String,
    foreign: String,
}

impl Attempt {
    fn get(path: String, foreign: &str) -> Self {
        Self {
            method: "GET",
            path,
            form: String::new(),
            foreign: foreign.to_owned(),
        }
    }

    fn post(path: String, form: &Value, foreign: &str) -> Self {
        Self {
            method: "POST",
            form: form.to_string(),
            ..Self::get(path, foreign)
        }
    }

    /// The same id but for its digits or letters: nothing is there.
    fn absent(&self) -> String {
        if self.foreign.len() <= SHORT {
            return "977".to_owned();
        }
        let is_hex = self.foreign.bytes().all(|b| b.is_ascii_hexdigit());
        let other = |letter: char| match letter {
            '0'..='4' => char::from(letter as u8 + 5),
            '5'..='9' => char::from(letter as u8 - 5),
            _ if is_hex => letter,
            'A'..='M' | 'a'..='m' => char::from(letter as u8 + 13),
            'N'..='Z' | 'n'..='z' => char::from(letter as u8 - 13),
            _ => letter,
        };
        self.foreign.chars().map(other).collect()
    }
}

impl World {
    pub(super) fn trespass(&mut self) -> Result<(), String> {
        let Some(attempt) = self.attempt() else {
            self.note("nothing to try");
            return Ok(());
        };
        let absent = attempt.absent();
        let foreign = self.tried(&attempt, &attempt.foreign);
        let answer = self.tried(&attempt, &absent);
        self.look_at(&answer);
        let (seen, expected) = (shape(&foreign, &attempt.foreign), shape(&answer, &absent));
        self.seen.trespasses += 1;
        let Attempt { method, path, .. } = &attempt;
        if seen != expected || (200..300).contains(&foreign.status) && method != &"GET" {
            return Err(format!(
                "R12: {method} {path} with what is somebody else's is answered\n{seen}\n\
                 with what is not there\n{expected}"
            ));
        }
        self.note(&format!("tried {method} {path}: {}", foreign.status));
        Ok(())
    }

    fn tried(&mut self, attempt: &Attempt, id: &str) -> Answer {
        let path = attempt.path.replace(ID, id);
        let form = attempt.form.replace(ID, id);
        let kind = [("content-type", "application/json")];
        let headers: &[_] = if form.is_empty() { &[] } else { &kind };
        self.http()
            .call(attempt.method, &path, headers, form.as_bytes())
    }

    /// Something of the other tenant, as far as it has it already.
    fn attempt(&mut self) -> Option<Attempt> {
        let reader = READERS[self.below(READERS.len() as u64) as usize];
        let group = format!("{ACME}/groups/{}/topics/{}", reader.group, reader.topic);
        let money = format!("{ACME}/topics/money/transactions/{ID}");
        Some(match self.below(13) {
            0..=4 => self.at_instance(),
            5 => {
                let id = self.foreign("messageId")?;
                Attempt::get(format!("{ACME}/messages/{ID}"), &id)
            }
            6 => {
                let id = self.foreign("offsetMessageId")?;
                Attempt::get(format!("{ACME}/messages/{ID}"), &id)
            }
            7 => {
                let form = json!({"receiptHandles": [ID]});
                Attempt::post(group + "/ack", &form, &self.foreign("receiptHandle")?)
            }
            8 => {
                let form = json!({"receiptHandle": ID, "invisibleSeconds": self.below(2)});
                let handle = self.foreign("receiptHandle")?;
                Attempt::post(group + "/visibility", &form, &handle)
            }
            9 => {
                let how = ["commit", "rollback"][self.below(2) as usize];
                let id = self.foreign("transactionId")?;
                Attempt::post(format!("{money}/{how}"), &json!({}), &id)
            }
            10 => {
                let path = format!("{ACME}/topics/later/messages/recall");
                let form = json!({"recallHandle": ID});
                Attempt::post(path, &form, &self.foreign("recallHandle")?)
            }
            11 => self.at_cursor()?,
            _ => self.at_names(),
        })
    }

    fn at_instance(&mut self) -> Attempt {
        let at = self.below(self.other.uids.len() as u64) as usize;
        let (method, path, form) = CALLS[self.below(CALLS.len() as u64) as usize];
        Attempt {
            method,
            path: format!("/v1/instances/{ID}{path}"),
            form: form.to_owned(),
            foreign: self.other.uids[at].clone(),
        }
    }

    fn at_cursor(&mut self) -> Option<Attempt> {
        let count = self.other.told.cursors.len() as u64;
        if count == 0 {
            return None;
        }
        let at = self.below(count) as usize;
        let (path, cursor) = &self.other.told.cursors[at];
        let more = if path.contains('?') { '&' } else { '?' };
        let path = format!("{ACME}/{path}{more}cursor={ID}");
        Some(Attempt::get(path, cursor))
    }

    /// Numbers and names that belong to the whole deployment.
    fn at_names(&mut self) -> Attempt {
        let (id, user) = (self.other.tenant.id.to_string(), self.other.tenant.user);
        match self.below(4) {
            0 => Attempt::get(format!("/v1/tenants/{ID}"), &id),
            1 => Attempt::get(format!("/v1/tenants/{ID}/bills"), &id),
            2 => Attempt::get(format!("/v1/tenants/{ID}/bills/2025-01"), &id),
            _ => Attempt::get(format!("{ACME}/users/{ID}"), user),
        }
    }

    /// Something of the other tenant that one of its answers told.
    fn foreign(&mut self, field: &str) -> Option<String> {
        let count = self.other.told.by_field.get(field).map_or(0, Vec::len);
        if count == 0 {
            return None;
        }
        let at = self.below(count as u64) as usize;
        self.other.told.by_field[field].get(at).cloned()
    }
}

/// All of an answer that may not tell one id from the other.
fn shape(answer: &Answer, id: &str) -> String {
    let mut json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = json.get_mut("error").and_then(Value::as_object_mut);
    if let Some(error) = error {
        error.remove("requestId");
    }
    let mut text = format!("{} {json}", answer.status);
    for (name, value) in &answer.headers {
        if !matches!(&**name, "date" | "firn-request-id" | "content-length") {
            text += &format!("\n{name}: {value}");
        }
    }
    if id.len() > SHORT {
        return text.replace(id, "ID");
    }
    let text = text.replace(&format!("'{id}'"), "ID");
    text.replace(&format!("tenant {id}"), "tenant ID")
}
