//! A lean HTTP client on one kept connection, which can also say things that
//! no proper client says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;

/// Longer than any answer may take; a test that waits for more is wrong.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Http {
    address: SocketAddr,
    authorization: Option<String>,
    connection: Option<BufReader<TcpStream>>,
    /// Whether the server has announced that it closes.
    is_final: bool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Null for an empty body.
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of an answer that has to be a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        let good = (200..300).contains(&self.status);
        assert!(good, "{} {}", self.status, self.text());
        self.json()
    }

    /// The text of an answer that has to be this error.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, code: &str) -> String {
        let seen = (self.status, self.json()["error"]["code"].clone());
        assert_eq!(seen, (status, code.into()), "{}", self.text());
        let text = self.json()["error"]["message"].as_str().map(str::to_owned);
        text.expect("an error has a text")
    }
}

impl Http {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            authorization: None,
            connection: None,
            is_final: false,
        }
    }

    /// Speaks as an application user.
    pub(crate) fn user(address: SocketAddr, access_key: &str, secret_key: &str) -> Self {
        let pair = format!("{access_key}:{secret_key}");
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        Self {
            authorization: Some(format!("Basic {encoded}")),
            ..Self::new(address)
        }
    }

    pub(crate) fn authorize(mut self, value: &str) -> Self {
        self.authorization = Some(value.to_owned());
        self
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.call("GET", path, &[], b"")
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, body)
    }

    pub(crate) fn json(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let kind = ("content-type", "application/json");
        self.call(method, path, &[kind], body.to_string().as_bytes())
    }

    #[track_caller]
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_call(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// # Errors
    /// When the connection breaks before the whole answer is there.
    pub(crate) fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut bytes = self.head(method, path, headers);
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        self.say(&bytes)?;
        self.answer()
    }

    /// A request's head without its last lines.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(value) = &self.authorization {
            head.push_str(&format!("authorization: {value}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.into_bytes()
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When there is no connection, or it breaks.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let connection = match self.connection.take() {
            Some(connection) if !self.is_final => connection,
            _ => {
                self.is_final = false;
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                BufReader::new(stream)
            }
        };
        connection.get_ref().write_all(bytes)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// As [`Self::try_call`].
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut connection = self.connection.take().ok_or_else(broken_off)?;
        let mut answer = read_head(&mut connection)?;
        self.is_final = answer.header("connection") == Some("close");
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = read_chunk(&mut connection)? {
                answer.body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            answer.body.resize(length, 0);
            connection.read_exact(&mut answer.body)?;
        }
        self.connection = Some(connection);
        Ok(answer)
    }

    /// The head of an answer whose body goes on for ever.
    pub(crate) fn open_stream(&mut self, path: &str) -> Answer {
        let mut head = self.head("GET", path, &[]);
        head.extend_from_slice(b"\r\n");
        self.say(&head).expect("connects");
        let mut connection = self.connection.take().expect("connected");
        let answer = read_head(&mut connection).expect("a head");
        self.connection = Some(connection);
        answer
    }

    /// The next piece of an endless body; `None` at its end.
    pub(crate) fn piece(&mut self) -> Option<Vec<u8>> {
        read_chunk(self.connection.as_mut().expect("open")).expect("goes on")
    }

    /// Whether the server closes the connection; waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        let Some(mut connection) = self.connection.take() else {
            return true;
        };
        match io::copy(&mut connection, &mut io::sink()) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }
}

fn read_head(connection: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let status = line(connection)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut answer = Answer {
        status: status.ok_or_else(broken_off)?,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let text = line(connection)?;
        let Some((name, value)) = text.split_once(": ") else {
            break;
        };
        answer.headers.push((name.to_lowercase(), value.to_owned()));
    }
    if answer.status == 100 {
        return read_head(connection);
    }
    Ok(answer)
}

fn read_chunk(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let length = usize::from_str_radix(&line(connection)?, 16).map_err(io::Error::other)?;
    let mut chunk = vec![0; length];
    connection.read_exact(&mut chunk)?;
    line(connection)?;
    Ok((length > 0).then_some(chunk))
}

fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut text = String::new();
    if connection.read_line(&mut text)? == 0 {
        return Err(broken_off());
    }
    Ok(text.trim_end().to_owned())
}

fn broken_off() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
