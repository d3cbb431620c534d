//! What the generated description leaves out, because it holds for many calls alike: the
//! statuses of errors and what they carry, the credentials of the management API, names
//! of operations. Handlers write `default` for their errors and nothing more.

use serde_json::{Map, Value, json};

use super::forms::{self, without_null};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const MANAGEMENT: &str = "/api/";

/// Calls that may answer an error status.
#[derive(Clone, Copy)]
enum Calls {
    All,
    /// Those that ask who is there.
    Guarded,
    /// Those that change something, and those of an instance: its name may mean several
    /// to the operator.
    Contended,
    /// Those with a body.
    Bodied,
}

const ERRORS: [(&str, Calls, &str); 10] = [
    (
        "400",
        Calls::All,
        "Something in the request is not well formed, unknown or out of its bounds; the text names it",
    ),
    (
        "401",
        Calls::All,
        "Credentials are missing or not valid; one text for every cause",
    ),
    (
        "403",
        Calls::Guarded,
        "The caller may not do this, or plan, instance, topic or group do not let it",
    ),
    (
        "404",
        Calls::Guarded,
        "Something that the request names is not there, or somebody else's",
    ),
    (
        "409",
        Calls::Contended,
        "The state of things does not let it: what is to be made is there, what is to be removed is in use, \
         a name means several",
    ),
    (
        "413",
        Calls::Bodied,
        "The request, or a message in it, is too large",
    ),
    (
        "415",
        Calls::Bodied,
        "Content type or content encoding are not read here",
    ),
    (
        "429",
        Calls::All,
        "A limit is used up, or there were too many wrong credentials",
    ),
    ("500", Calls::All, "A fault of the service"),
    (
        "503",
        Calls::All,
        "Not now; `details.outcomeUnknown` tells that it may have been done",
    ),
];

/// An operation of the document on its way to completion.
struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    fields: &'a mut Map<String, Value>,
}

/// Completes a description; what is not as it is generated stays as it is.
pub(super) fn complete(document: &mut Value) {
    let mut shared = Map::new();
    let paths = document["paths"].as_object_mut();
    for (path, item) in paths.into_iter().flatten() {
        for method in METHODS {
            let Some(fields) = item.get_mut(method).and_then(Value::as_object_mut) else {
                continue;
            };
            let mut operation = Operation {
                path,
                method,
                fields,
            };
            operation.name();
            operation.set_credentials();
            operation.set_parameters();
            operation.set_answers(&mut shared);
        }
    }
    set_unsigned(&mut document["components"]["schemas"]);
    forms::take_apart(document);
    forms::set_required(document);
    document["components"]["responses"] = Value::Object(shared);
    document["components"]["headers"] = headers();
}

impl Operation<'_> {
    fn is_management(&self) -> bool {
        self.path.starts_with(MANAGEMENT)
    }

    /// The name of a handler is one of its file; with the tag before it, of all.
    fn name(&mut self) {
        if self.is_management() {
            return;
        }
        let tag = self.fields["tags"][0].as_str().unwrap_or_default();
        let id = self.fields["operationId"].as_str().unwrap_or_default();
        self.fields["operationId"] = format!("{tag}_{id}").into();
    }

    fn set_credentials(&mut self) {
        if self.is_management() && !self.fields.contains_key("security") {
            let ways = json!([{"accessKey": [], "secretKey": []}, {"basic": []}, {"bearer": []}]);
            self.fields.insert("security".to_owned(), ways);
        }
    }

    /// A parameter that may be left out is not null when it is given.
    fn set_parameters(&mut self) {
        let is_management = self.is_management();
        let parameters = self.fields.get_mut("parameters");
        for parameter in parameters
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            parameter["schema"] = without_null(&parameter["schema"]);
            // The management API takes a number that is too large as the largest.
            if !is_management {
                set_unsigned(&mut parameter["schema"]);
            }
        }
    }

    /// Every status that occurs, each with its headers.
    fn set_answers(&mut self, shared: &mut Map<String, Value>) {
        let known: Vec<_> = ERRORS
            .iter()
            .filter(|(_, calls, _)| self.is_one_of(*calls))
            .collect();
        let Some(answers) = self.fields["responses"].as_object_mut() else {
            return;
        };
        for answer in answers.values_mut() {
            answer["headers"] = json!({"Firn-Request-Id": header("RequestId")});
        }
        let Some(error) = answers.remove("default") else {
            return;
        };
        let schema = error["content"]["application/json"]["schema"]["$ref"].as_str();
        let schema = schema
            .and_then(|it| it.rsplit('/').next())
            .unwrap_or_default();
        for (status, _, text) in known {
            let name = format!("{schema}{status}");
            let answer = json!({"$ref": format!("#/components/responses/{name}")});
            answers.insert((*status).to_owned(), answer);
            shared
                .entry(name)
                .or_insert_with(|| shaped(&error, status, text));
        }
    }

    fn is_one_of(&self, calls: Calls) -> bool {
        let is_open = self.fields.get("security") == Some(&json!([{}]));
        match calls {
            Calls::All => true,
            Calls::Guarded => !is_open,
            Calls::Contended => {
                !is_open && (self.method != "get" || self.path.contains("{instance}"))
            }
            Calls::Bodied => self.fields.contains_key("requestBody"),
        }
    }
}

fn shaped(error: &Value, status: &str, text: &str) -> Value {
    let mut answer = error.clone();
    answer["description"] = text.into();
    match status {
        "401" => answer["headers"]["WWW-Authenticate"] = header("Credentials"),
        "429" | "503" => answer["headers"]["Retry-After"] = header("RetryAfter"),
        _ => {}
    }
    answer
}

/// Numbers from 0 are those of unsigned types, which end higher than those that the
/// formats of OpenAPI name.
fn set_unsigned(value: &mut Value) {
    let kind = &value["type"];
    let is_integer = kind == "integer"
        || kind
            .as_array()
            .is_some_and(|kinds| kinds.contains(&"integer".into()));
    if is_integer && value["minimum"].is_u64() {
        let (format, max) = match value["format"].as_str() {
            Some("int32") => ("uint32", u64::from(u32::MAX)),
            _ => ("uint64", u64::MAX),
        };
        value["format"] = format.into();
        if value["maximum"].is_null() {
            value["maximum"] = max.into();
        }
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(set_unsigned),
        Value::Array(items) => items.iter_mut().for_each(set_unsigned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The caller's own if it sent a well-formed one, else made here; also in the log",
            "required": true,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        },
        "Credentials": {
            "description": "How to send credentials",
            "required": true,
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "Seconds to wait before the next try",
            "required": true,
            "schema": {"type": "integer", "minimum": 1},
        },
    })
}
