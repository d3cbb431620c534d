//! Bodies of requests. A form that a handler takes for two calls is taken apart: what is
//! required to make something and refused to change it cannot be said of one shape.

use serde_json::{Value, json};

struct Form {
    method: &'static str,
    path: &'static str,
    /// As the handler has it, and as this call takes it.
    names: (&'static str, &'static str),
    required: &'static [&'static str],
    refused: &'static [&'static str],
}

const fn new(
    path: &'static str,
    names: (&'static str, &'static str),
    required: &'static [&'static str],
    refused: &'static [&'static str],
) -> Form {
    Form {
        method: "post",
        path,
        names,
        required,
        refused,
    }
}

const fn change(
    path: &'static str,
    names: (&'static str, &'static str),
    refused: &'static [&'static str],
) -> Form {
    Form {
        method: "patch",
        path,
        names,
        required: &[],
        refused,
    }
}

const FORMS: [Form; 8] = [
    new(
        "/v1/instances",
        ("InstanceForm", "NewInstanceForm"),
        &["tenantId", "name"],
        &["status"],
    ),
    change(
        "/v1/instances/{instance}",
        ("InstanceForm", "InstanceChangeForm"),
        &["tenantId", "name"],
    ),
    new(
        "/v1/instances/{instance}/topics",
        ("TopicForm", "NewTopicForm"),
        &["name"],
        &[],
    ),
    change(
        "/v1/instances/{instance}/topics/{topic}",
        ("TopicForm", "TopicChangeForm"),
        &["name", "brokers"],
    ),
    new(
        "/v1/instances/{instance}/groups",
        ("GroupForm", "NewGroupForm"),
        &["name"],
        &[],
    ),
    change(
        "/v1/instances/{instance}/groups/{group}",
        ("GroupForm", "GroupChangeForm"),
        &["name"],
    ),
    new(
        "/v1/instances/{instance}/users",
        ("UserForm", "NewUserForm"),
        &["accessKey"],
        &[],
    ),
    change(
        "/v1/instances/{instance}/users/{access_key}",
        ("UserForm", "UserChangeForm"),
        &["accessKey", "secretKey"],
    ),
];

/// Gives each of these calls a form of its own.
pub(super) fn take_apart(document: &mut Value) {
    for form in &FORMS {
        let (from, to) = form.names;
        let shape = narrowed(&document["components"]["schemas"][from], form);
        document["components"]["schemas"][to] = shape;
        let body = &mut document["paths"][form.path][form.method]["requestBody"];
        body["content"]["application/json"]["schema"] =
            json!({"$ref": format!("#/components/schemas/{to}")});
    }
    if let Some(shapes) = document["components"]["schemas"].as_object_mut() {
        shapes.retain(|name, _| FORMS.iter().all(|form| form.names.0 != name));
    }
}

/// No body is as good as `{}`: where no field is required, no body is.
pub(super) fn set_required(document: &mut Value) {
    let shapes = document["components"]["schemas"].clone();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let operations = paths.flat_map(|(_, item)| item.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        let Some(body) = operation.get_mut("requestBody") else {
            continue;
        };
        let shape = body["content"]["application/json"]["schema"]["$ref"].as_str();
        let shape = shape.and_then(|it| it.rsplit('/').next());
        if let Some(shape) = shape.and_then(|name| shapes.get(name)) {
            body["required"] = shape.get("required").is_some().into();
        }
    }
}

fn narrowed(shape: &Value, form: &Form) -> Value {
    let mut shape = shape.clone();
    if let Some(fields) = shape["properties"].as_object_mut() {
        fields.retain(|name, _| !form.refused.contains(&name.as_str()));
        for name in form.required {
            if let Some(field) = fields.get_mut(*name) {
                *field = without_null(field);
            }
        }
    }
    if !form.required.is_empty() {
        shape["required"] = json!(form.required);
    }
    shape
}

/// A field or parameter that is there has a value.
pub(super) fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(one) = only(&schema["type"], &json!("null")) {
        schema["type"] = one;
    }
    only(&schema["oneOf"], &json!({"type": "null"})).unwrap_or(schema)
}

/// What a list of choices leaves when it is this or nothing.
fn only(choices: &Value, nothing: &Value) -> Option<Value> {
    let mut left = choices.as_array()?.iter().filter(|it| *it != nothing);
    left.next().filter(|_| left.next().is_none()).cloned()
}
