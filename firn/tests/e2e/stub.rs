//! A server that knows nothing: it gives out prepared answers in order, one a
//! request, and keeps the requests.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// `GET /path HTTP/1.1`
    pub(crate) line: String,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Stub {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stub {
    /// Each answer is a status, further headers (each with its line end), and a body.
    pub(crate) fn start(answers: Vec<(u16, &'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        // Ends with its last answer, or with the test's process.
        firn_runtime::tasks::thread("stub", move || {
            let mut answers = answers.into_iter().peekable();
            while answers.peek().is_some() {
                let (connection, _) = listener.accept().expect("accepts");
                serve(&connection, &mut answers, &kept);
            }
        })
        .expect("a thread");
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

/// Answers on one connection until the client or the answers end.
fn serve(
    connection: &TcpStream,
    answers: &mut impl Iterator<Item = (u16, &'static str, String)>,
    seen: &Mutex<Vec<Seen>>,
) {
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader) {
        seen.lock().expect("unpoisoned").push(request);
        let Some((status, headers, body)) = answers.next() else {
            return;
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n");
        let mut connection = connection;
        let written = connection.write_all(format!("{head}{body}").as_bytes());
        if written.is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Seen> {
    let mut seen = Seen {
        line: line(reader)?,
        ..Seen::default()
    };
    loop {
        let text = line(reader)?;
        let Some((name, value)) = text.split_once(": ") else {
            break;
        };
        seen.headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = seen.header("content-length").unwrap_or("0").parse();
    let mut body = vec![0; length.expect("a number")];
    reader.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).expect("JSON is text");
    Some(seen)
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    match reader.read_line(&mut text) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(text.trim_end().to_owned()),
    }
}
