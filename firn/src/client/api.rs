//! Sends requests. The only user of the HTTP client; promises that a refusal
//! comes back as the server's own code, message and request id.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{Request as HttpRequest, Response, header};
use ureq::{Agent, Body};

use super::connection::{Connection, Identity, Person, basic};
use super::error::Failure;
use super::request::{Fields, Method, Request};

/// What a server may take beyond the wait it was asked for.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// An answer holds at most 8 MiB of bodies; as JSON that can be several times as much.
const ANSWER_BYTES_MAX: u64 = 128 << 20;

/// A success.
pub(super) struct Answer {
    /// As the server wrote it; empty for 204.
    pub(super) text: String,
    pub(super) json: Value,
}

pub(super) struct Api {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

impl Api {
    /// Logs in, if the identity needs it.
    ///
    /// # Errors
    /// When the server refuses the login or is not there.
    pub(super) fn connect(connection: &Connection) -> Result<Self, Failure> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A server named on the command line is the one to talk to.
            .proxy(None)
            .no_delay(true)
            .timeout_connect(Some(CONNECT_TIME))
            .user_agent(concat!("firn/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let mut api = Self {
            agent,
            url: connection.url.clone(),
            authorization: None,
        };
        api.authorization = match &connection.identity {
            Identity::Nobody => None,
            Identity::Application {
                access_key,
                secret_key,
            } => Some(basic(access_key, secret_key)),
            Identity::Person(person) => Some(api.login(person)?),
        };
        Ok(api)
    }

    /// # Errors
    /// When the server refuses, is not there, or answers something else.
    pub(super) fn call(&self, request: &Request) -> Result<Answer, Failure> {
        let text = String::from_utf8_lossy(&self.fetch(request)?).into_owned();
        if text.is_empty() || request.accept.is_some() {
            let json = Value::Null;
            return Ok(Answer { text, json });
        }
        match serde_json::from_str(&text) {
            Ok(json) => Ok(Answer { text, json }),
            Err(error) => Err(self.odd(format!("not JSON, {error}"))),
        }
    }

    /// The body of the answer, whatever it is.
    ///
    /// # Errors
    /// When the server refuses or is not there.
    pub(super) fn fetch(&self, request: &Request) -> Result<Vec<u8>, Failure> {
        let limit = request.wait + PATIENCE;
        let json = "application/json";
        let text = request.body.as_ref().map(Value::to_string);
        let body = match (&request.upload, &text) {
            (Some(upload), _) => Some((upload.content_type, upload.bytes.as_slice())),
            (None, Some(text)) => Some((json, text.as_bytes())),
            (None, None) => None,
        };
        let mut http = HttpRequest::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}", self.url, request.target));
        if let Some(authorization) = &self.authorization {
            http = http.header(header::AUTHORIZATION, authorization);
        }
        if let Some((content_type, _)) = body {
            http = http.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(kind) = request.accept {
            http = http.header(header::ACCEPT, kind);
        }
        let sent = match body {
            Some((_, bytes)) => http.body(bytes).map(|http| self.run(http, limit)),
            None => http.body(()).map(|http| self.run(http, limit)),
        };
        match sent {
            Ok(response) => {
                let response = response.map_err(|error| self.unreachable(&error))?;
                self.read(response)
            }
            Err(error) => Err(Failure::Usage(format!("{}: {error}", self.url))),
        }
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        http: HttpRequest<B>,
        limit: Duration,
    ) -> Result<Response<Body>, ureq::Error> {
        let http = self.agent.configure_request(http);
        let http = http.timeout_global(Some(limit)).build();
        self.agent.run(http)
    }

    fn read(&self, mut response: Response<Body>) -> Result<Vec<u8>, Failure> {
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let bytes = body
            .read_to_vec()
            .map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            let json = serde_json::from_slice(&bytes);
            return Err(self.refusal(&response, json.unwrap_or_default()));
        }
        Ok(bytes)
    }

    fn refusal(&self, response: &Response<Body>, json: Value) -> Failure {
        let header = |name| response.headers().get(name)?.to_str().ok();
        let error = &json["error"];
        let (Some(code), Some(message)) = (error["code"].as_str(), error["message"].as_str())
        else {
            return self.odd(format!("HTTP {}", response.status()));
        };
        let request_id = error["requestId"].as_str().or(header("Firn-Request-Id"));
        Failure::Refused {
            code: code.to_owned(),
            message: message.to_owned(),
            request_id: request_id.unwrap_or("unknown").to_owned(),
            retryable: error["retryable"].as_bool().unwrap_or(false),
            retry_after_secs: header("Retry-After").and_then(|text| text.parse().ok()),
        }
    }

    fn login(&self, person: &Person) -> Result<String, Failure> {
        // Tenants are numbers; anything else is left for the server to judge.
        let tenant = person
            .tenant
            .as_ref()
            .map(|tenant| match tenant.parse::<u64>() {
                Ok(id) => Value::from(id),
                Err(_) => Value::from(tenant.as_str()),
            });
        let body = Fields::default()
            .maybe("tenant", tenant)
            .with("username", &person.username)
            .with("password", person.password.expose());
        let request = Request::new(Method::Post, &["auth", "login"]).with_body(body);
        let answer = self.call(&request)?;
        match answer.json["token"].as_str() {
            Some(token) => Ok(format!("Bearer {token}")),
            None => Err(self.odd("a login without a token".to_owned())),
        }
    }

    fn odd(&self, reason: String) -> Failure {
        Failure::Odd {
            url: self.url.clone(),
            reason,
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Unreachable {
            url: self.url.clone(),
            reason: error.to_string(),
        }
    }
}
