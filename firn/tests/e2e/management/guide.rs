//! A client of the guide: credentials in the query, an envelope around every answer.

use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::stack::Stack;

/// Who calls, and on which instance.
#[derive(Clone)]
pub(super) struct Guide {
    pub(super) query: String,
    address: std::net::SocketAddr,
}

impl Guide {
    pub(super) fn new(
        stack: &Stack,
        tenant: u64,
        cluster: &str,
        (key, secret): (&str, &str),
    ) -> Self {
        Self {
            query: format!(
                "tenantId={tenant}&accessKey={key}&secretKey={secret}&clusterName={cluster}"
            ),
            address: stack.http,
        }
    }

    /// The user of acme who may do everything there.
    pub(super) fn demo(stack: &Stack) -> Self {
        Self::new(stack, 2, "demo", ("demo", "demo-secret"))
    }

    /// The one that is limited to the topic `orders`.
    pub(super) fn limited(stack: &Stack) -> Self {
        Self::new(stack, 2, "demo", ("limited", "limited-secret"))
    }

    /// A call with the credentials added to what its query has.
    #[track_caller]
    pub(super) fn answer(&self, method: &str, path: &str, body: &Value) -> Answer {
        let sign = if path.contains('?') { '&' } else { '?' };
        self.raw(method, &format!("{path}{sign}{}", self.query), body)
    }

    /// A call as it is written. Whatever is answered has the envelope (S-02).
    #[track_caller]
    pub(super) fn raw(&self, method: &str, path: &str, body: &Value) -> Answer {
        let mut http = Http::new(self.address);
        let answer = match body.is_null() {
            true => http.call(method, path, &[], b""),
            false => http.json(method, path, body),
        };
        check_envelope(&answer);
        answer
    }

    /// The result of a call that has to be a success.
    #[track_caller]
    pub(super) fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.answer(method, path, body);
        let json = answer.json();
        let seen = (answer.status, &json["code"], &json["message"]);
        assert_eq!(
            seen,
            (200, &json!(200), &json!("success")),
            "{method} {path}: {json}"
        );
        json["result"].clone()
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Value {
        self.ok("GET", path, &Value::Null)
    }

    #[track_caller]
    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        self.ok("POST", path, body)
    }

    /// The text of a call that has to fail with this code.
    #[track_caller]
    pub(super) fn refused(&self, code: u16, method: &str, path: &str, body: &Value) -> String {
        let answer = self.answer(method, path, body);
        refusal(&answer, code, &format!("{method} {path}"))
    }
}

/// The text of an answer that has to be a failure with this code.
#[track_caller]
pub(super) fn refusal(answer: &Answer, code: u16, what: &str) -> String {
    let json = answer.json();
    let seen = (answer.status, json["code"].as_u64());
    assert_eq!(seen, (code, Some(u64::from(code))), "{what}: {json}");
    json["message"].as_str().expect("a text").to_owned()
}

/// S-02: `code`, `message`, `result`, of these types, and nothing beside them.
#[track_caller]
fn check_envelope(answer: &Answer) {
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/json; charset=UTF-8"), "{answer:?}");
    let json = answer.json();
    let names: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["code", "message", "result"], "{json}");
    assert!(
        json["code"].is_u64() && json["message"].is_string(),
        "{json}"
    );
    assert!(json["result"].is_object(), "{json}");
    if json["code"] == 200 {
        assert_eq!(json["message"], "success");
    }
}

/// What was tolerated, in one text.
pub(super) fn warnings(result: &Value) -> String {
    let listed = result["warnings"].as_array();
    let texts = listed.into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join("\n")
}

/// The instance's own name for acme's `demo`, which the other tenant has, too.
pub(super) fn demo_path(stack: &Stack) -> String {
    let instance = stack.demo().get("/v1/instances/demo").ok();
    format!("/v1/instances/{}", instance["id"].as_str().expect("an id"))
}

/// A topic of `demo` as T4 shows it.
#[track_caller]
pub(super) fn topic(guide: &Guide, name: &str) -> Value {
    guide.get(&format!("/api/manager/topics/demo/basedata/{name}"))["data"].clone()
}
