//! A client of the protocol that signs as the libraries do, and can leave out or
//! change any header; and a reader of answers that knows nothing of the server's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_runtime::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::http::{Answer, Http};
use crate::stack::Stack;

const NAMESPACE: &str = "http://mq.aliyuncs.com/doc/v1/";

pub(crate) struct Mq {
    pub(crate) http: Http,
    pub(crate) clock: Clock,
    access_key: String,
    secret_key: String,
}

/// What a request says; each can be changed before it is signed, or after.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        let mut request = self.without(name);
        request.headers.push((name.to_owned(), value.to_owned()));
        request
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

impl Mq {
    pub(crate) fn demo(stack: &Stack) -> Self {
        Self::user(stack, "demo", "demo-secret")
    }

    pub(crate) fn user(stack: &Stack, access_key: &str, secret_key: &str) -> Self {
        Self {
            http: Http::new(stack.http),
            clock: stack.clock.clone(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
        }
    }

    pub(crate) fn date(&self) -> String {
        date(self.clock.now_ms())
    }

    /// A request as the Python library makes it, not signed yet.
    pub(crate) fn request(&self, method: &str, target: &str, body: &str) -> Request {
        let mut request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
        .with("x-mq-version", "2015-06-06")
        .with("date", &self.date())
        .with("user-agent", "mq-python-sdk/1.0.3(Linux/3.11.7)");
        if !body.is_empty() {
            request = request.with("content-type", "text/xml;charset=UTF-8");
        }
        request
    }

    pub(crate) fn sign(&self, request: Request) -> Request {
        let text = format!(
            "{}\n{}\n{}\n{}\nx-mq-version:{}\n{}",
            request.method,
            request.header("content-md5"),
            request.header("content-type"),
            request.header("date"),
            request.header("x-mq-version"),
            request.target,
        );
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret_key.as_bytes()).expect("any key");
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let value = format!("MQ {}:{signature}", self.access_key);
        request.with("authorization", &value)
    }

    #[track_caller]
    pub(crate) fn say(&mut self, request: &Request) -> Answer {
        let headers = request.headers.iter();
        let headers: Vec<_> = headers.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        self.http
            .call(&request.method, &request.target, &headers, &request.body)
    }

    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, target: &str, body: &str) -> Answer {
        let request = self.sign(self.request(method, target, body));
        self.say(&request)
    }

    #[track_caller]
    pub(crate) fn publish(&mut self, topic: &str, body: &str, more: &str) -> Vec<(String, String)> {
        let document = message(body, more);
        let answer = self.call("POST", &format!("/topics/{topic}/messages"), &document);
        assert_eq!(answer.status, 201, "{}", answer.text());
        fields(&answer, "Message")
    }

    /// Messages, each as its fields; none when there are none.
    #[track_caller]
    pub(crate) fn consume(&mut self, topic: &str, query: &str) -> Vec<Vec<(String, String)>> {
        let target = format!("/topics/{topic}/messages?{query}");
        let answer = self.call("GET", &target, "");
        if answer.status == 404 {
            assert_eq!(error_of(&answer), "MessageNotExist");
            return Vec::new();
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        messages(&answer)
    }

    #[track_caller]
    pub(crate) fn ack(&mut self, topic: &str, query: &str, handles: &[&str]) -> Answer {
        let target = format!("/topics/{topic}/messages?{query}");
        self.call("DELETE", &target, &receipt_handles(handles))
    }
}

pub(crate) fn date(ms: u64) -> String {
    let at = i64::try_from(ms).ok();
    let at = at.and_then(chrono::DateTime::from_timestamp_millis);
    let at = at.expect("a time");
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A document with a body and further elements.
pub(crate) fn message(body: &str, more: &str) -> String {
    let body = body
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Message xmlns=\"{NAMESPACE}\">\
         <MessageBody>{body}</MessageBody>{more}</Message>"
    )
}

pub(crate) fn receipt_handles(handles: &[&str]) -> String {
    let handles = handles
        .iter()
        .map(|it| format!("<ReceiptHandle>{it}</ReceiptHandle>"));
    let handles: String = handles.collect();
    format!("<ReceiptHandles xmlns=\"{NAMESPACE}\">{handles}</ReceiptHandles>")
}

/// The inside of the root, which has to be this, with the namespace.
#[track_caller]
fn inside(answer: &Answer, root: &str) -> String {
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml;charset=utf-8")
    );
    let text = answer.text();
    let start = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root} xmlns=\"{NAMESPACE}\">");
    let rest = text.strip_prefix(&start);
    let inside = rest.and_then(|rest| rest.strip_suffix(&format!("</{root}>")));
    inside
        .unwrap_or_else(|| panic!("no {root}: {text}"))
        .to_owned()
}

/// Elements without attributes, one after the other, with nothing between them.
#[track_caller]
fn elements(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let rest = text.strip_prefix('<').expect("an element");
        let (name, rest) = rest.split_once('>').expect("a whole tag");
        let (inner, rest) = rest.split_once(&format!("</{name}>")).expect("its end");
        found.push((name.to_owned(), inner.to_owned()));
        text = rest;
    }
    found
}

#[track_caller]
fn texts(elements: Vec<(String, String)>) -> Vec<(String, String)> {
    let plain = elements.into_iter().map(|(name, text)| {
        assert!(!text.contains('<'), "{name} has children: {text}");
        let text = text.replace("&lt;", "<").replace("&gt;", ">");
        (name, text.replace("&#13;", "\r").replace("&amp;", "&"))
    });
    plain.collect()
}

/// Names and texts of the root's children.
#[track_caller]
pub(crate) fn fields(answer: &Answer, root: &str) -> Vec<(String, String)> {
    texts(elements(&inside(answer, root)))
}

#[track_caller]
pub(crate) fn messages(answer: &Answer) -> Vec<Vec<(String, String)>> {
    rows(answer, "Messages", "Message")
}

#[track_caller]
pub(crate) fn errors(answer: &Answer) -> Vec<Vec<(String, String)>> {
    assert_eq!(answer.status, 404, "{}", answer.text());
    rows(answer, "Errors", "Error")
}

#[track_caller]
fn rows(answer: &Answer, root: &str, row: &str) -> Vec<Vec<(String, String)>> {
    let rows = elements(&inside(answer, root)).into_iter();
    let rows: Vec<_> = rows
        .map(|(name, inner)| {
            assert_eq!(name, row);
            texts(elements(&inner))
        })
        .collect();
    assert!(!rows.is_empty(), "a library fails on an empty list");
    rows
}

/// The code of an error; checks the document on the way: all four, none empty.
#[track_caller]
pub(crate) fn error_of(answer: &Answer) -> String {
    let fields = fields(answer, "Error");
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Code", "Message", "RequestId", "HostId"]);
    assert!(
        fields.iter().all(|(_, text)| !text.is_empty()),
        "{fields:?}"
    );
    assert_eq!(answer.header("x-mq-request-id"), Some(fields[2].1.as_str()));
    assert_eq!(answer.header("x-mq-version"), Some("2015-06-06"));
    fields[0].1.clone()
}

#[track_caller]
pub(crate) fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    let found = fields.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("no {name}: {fields:?}")).1
}

pub(crate) fn bodies(messages: &[Vec<(String, String)>]) -> Vec<&str> {
    messages.iter().map(|it| field(it, "MessageBody")).collect()
}

pub(crate) fn handles(messages: &[Vec<(String, String)>]) -> Vec<&str> {
    messages
        .iter()
        .map(|it| field(it, "ReceiptHandle"))
        .collect()
}
