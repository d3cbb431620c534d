use rustix::process::Rlimit;
use tempfile::TempDir;

use super::*;

fn open(dir: &TempDir) -> Result<DataDir, StartError> {
    DataDir::open(&dir.path().join("data"), 1000)
}

fn write_node(dir: &TempDir, text: &str) {
    let data = dir.path().join("data");
    std::fs::create_dir_all(&data).expect("writable");
    std::fs::write(data.join(NODE_FILE), text).expect("writable");
}

fn one_line(error: &StartError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn a_directory_keeps_its_identity_over_restarts() {
    let dir = TempDir::new().expect("temporary directory");
    let first = open(&dir).expect("opens");
    assert!(first.is_new());
    let identity = first.identity().clone();
    assert_eq!((identity.format, identity.created_at), (1, 1000));
    assert_eq!(identity.node_id.len(), 32);
    drop(first);
    let second = DataDir::open(&dir.path().join("data"), 2000).expect("opens");
    assert!(!second.is_new());
    assert_eq!(second.identity(), &identity);
}

#[test]
fn a_restore_fills_an_empty_directory_and_nobody_serves_it_half() {
    let dir = TempDir::new().expect("temporary directory");
    let data = dir.path().join("data");
    let held = DataDir::begin_restore(&data, 1000).expect("a new one");
    assert!(held.is_new());
    assert!(open(&dir).is_err(), "it is locked");
    // As after a crash: the lock ends, the mark stays.
    drop(held);
    let error = open(&dir).expect_err("half restored");
    assert!(matches!(error, StartError::Unfinished { .. }), "{error}");
    assert!(one_line(&error).contains("firn restore"));
    let error = DataDir::begin_restore(&data, 1000).expect_err("not empty");
    assert!(matches!(error, StartError::NotEmpty { .. }), "{error}");
    one_line(&error);
    std::fs::remove_dir_all(&data).expect("removable");
    let held = DataDir::begin_restore(&data, 1000).expect("a new one");
    held.finish_restore().expect("writable");
    let identity = held.identity().clone();
    drop(held);
    let opened = open(&dir).expect("complete");
    assert_eq!((opened.is_new(), opened.identity()), (false, &identity));
}

#[test]
fn one_process_at_a_time() {
    let dir = TempDir::new().expect("temporary directory");
    let held = open(&dir).expect("opens");
    let error = open(&dir).expect_err("held");
    assert!(matches!(error, StartError::Locked { .. }), "{error}");
    assert!(one_line(&error).contains("--data-dir"));
    drop(held);
    assert!(open(&dir).is_ok());
}

#[test]
fn data_of_something_else_is_refused_and_left_alone() {
    let rubbish = [
        "",
        "{",
        "[]",
        "null",
        "{\"product\":1}",
        "{\"product\":\"firn\"}",
    ];
    for text in rubbish {
        let dir = TempDir::new().expect("temporary directory");
        write_node(&dir, text);
        let error = open(&dir).expect_err(text);
        one_line(&error);
        let kept = std::fs::read_to_string(dir.path().join("data").join(NODE_FILE));
        assert_eq!(kept.expect("still there"), text);
    }
    let dir = TempDir::new().expect("temporary directory");
    write_node(&dir, r#"{"product":"other","format":1}"#);
    let text = one_line(&open(&dir).expect_err("foreign"));
    assert_eq!(text, "other does not match the expected group name: firn");
    write_node(&dir, r#"{"product":"firn","format":2,"later":true}"#);
    let error = open(&dir).expect_err("newer");
    assert!(
        matches!(error, StartError::Newer { found: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_directory_belongs_to_one_deployment() {
    let dir = TempDir::new().expect("temporary directory");
    let mut data = open(&dir).expect("opens");
    data.belong_to("one").expect("the first one is taken");
    data.belong_to("one").expect("the same one");
    drop(data);
    let mut data = open(&dir).expect("opens");
    let error = data.belong_to("two").expect_err("another one");
    assert_eq!(
        one_line(&error),
        "one does not match the expected group name: two"
    );
    data.belong_to("one").expect("unchanged by the refusal");
}

#[test]
fn a_path_that_cannot_be_a_directory_is_named() {
    let dir = TempDir::new().expect("temporary directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("writable");
    let error = DataDir::open(&file, 0).expect_err("a file");
    assert!(one_line(&error).contains("file"), "{error}");
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let text = one_line(&listen("http-listen", address).expect_err("taken"));
    assert!(text.contains(&format!("port {}", address.port())), "{text}");
    assert!(text.contains("--http-listen"), "{text}");
}

#[test]
fn handles_are_raised_to_the_hard_limit() {
    let now = Rlimit {
        current: Some(1024),
        maximum: Some(4096),
    };
    assert_eq!(handles::raised(&now).current, Some(4096));
    let after = raise_handles();
    assert_eq!(after, raise_handles(), "a second time changes nothing");
    let few = |limit| Handles { limit }.are_few();
    assert!(few(Some(1024)) && few(Some(65_534)));
    assert!(!few(Some(65_535)) && !few(None));
}

#[test]
fn the_boot_has_an_id() {
    let id = boot_id().expect("Linux");
    assert_eq!(id.len(), 36, "{id}");
}
