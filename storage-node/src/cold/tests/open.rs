//! URLs, and what opening does.

use std::path::PathBuf;

use super::*;
use crate::cold::open::synced_directory;
use crate::cold::paths::Prefix;

#[test]
fn urls_are_taken_apart() {
    let bucket = |bucket: &str, prefix: &str| ColdUrl::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    };
    for (url, expected) in [
        ("memory:", ColdUrl::Memory),
        ("file:///a/b", ColdUrl::Directory(PathBuf::from("/a/b"))),
        ("s3://b", bucket("b", "")),
        ("s3://b/", bucket("b", "")),
        ("s3://my-bucket.x/a/b/", bucket("my-bucket.x", "a/b")),
    ] {
        assert_eq!(ColdUrl::parse(url).expect(url), expected);
    }
}

#[test]
fn bad_urls_get_one_clear_line() {
    for (url, words) in [
        ("", "expected file:///DIR"),
        ("memory", "memory:"),
        ("file://relative", "file:///DIR"),
        ("http://host/bucket", "s3://BUCKET"),
        ("s3://", "s3://BUCKET"),
        ("s3:///prefix", "s3://BUCKET"),
        ("s3://User:secret@b", "bucket"),
        ("s3://b/a//c", "prefix"),
        ("s3://b/../c", "prefix"),
    ] {
        let error = ColdUrl::parse(url).expect_err(url).to_string();
        assert!(error.contains(words), "{url}: {error}");
        assert!(
            !error.contains('\n') && !error.contains("secret"),
            "{error}"
        );
    }
}

#[test]
fn bad_settings_of_s3_get_one_clear_line() {
    let open = |variables: &[(&str, &str)]| {
        let read = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let url = ColdUrl::parse("s3://bucket/prefix").expect("a URL");
        url.open(&read).map(drop).map_err(|error| error.to_string())
    };
    let key = ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    let secret = ("AWS_SECRET_ACCESS_KEY", "verysecret");
    assert_eq!(open(&[key, secret]), Ok(()));
    let local = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    assert_eq!(open(&[key, secret, local]), Ok(()));
    for variables in [
        &[key][..],
        &[secret],
        &[key, secret, ("AWS_ENDPOINT_URL", "127.0.0.1:1")],
        &[
            key,
            secret,
            ("AWS_ENDPOINT_URL", "http://me:verysecret@host"),
        ],
        &[key, secret, ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "maybe")],
    ] {
        let error = open(variables).expect_err("does not fit together");
        assert!(error.starts_with("object store s3://bucket: "), "{error}");
        assert!(
            !error.contains('\n') && !error.contains("verysecret"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_directory_is_made_kept_and_held_by_one_process() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let dir = root.path().join("deep/objects");
    let url = ColdUrl::Directory(dir.clone());
    let clock = Clock::system();
    let first = store(url.open(&|_| None).expect("opens"), &clock);
    let put = first.put_unique(segment(1), [pattern(10)]).await;
    put.expect("is stored");
    let refused = url.open(&|_| None).err().map(|error| error.to_string());
    let refused = refused.expect("another holds it");
    assert!(refused.ends_with("in use by another process"), "{refused}");
    drop(first);
    let again = store(url.open(&|_| None).expect("opens"), &clock);
    assert_eq!(again.get(segment(1)).await, Ok(pattern(10)));
}

#[tokio::test]
async fn what_interrupted_writes_left_is_swept_and_nothing_else() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let folder = root.path().join("wal/x");
    std::fs::create_dir_all(&folder).expect("makes");
    for name in ["a", "a#1", "b#12", "c#", "#d", "e#1x"] {
        std::fs::write(folder.join(name), name).expect("writes");
    }
    let url = ColdUrl::Directory(root.path().to_owned());
    let store = store(url.open(&|_| None).expect("opens"), &Clock::system());
    let left = std::fs::read_dir(&folder).expect("reads");
    let mut left: Vec<_> = left
        .map(|entry| {
            entry
                .expect("reads")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    left.sort();
    assert_eq!(left, ["#d", "a", "c#", "e#1x"]);
    let listed = store.list(Prefix::Wals).await.expect("lists");
    assert!(listed.iter().all(|found| found.name.is_none()));
}

#[test]
fn a_directory_is_synced() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let directory = synced_directory(root.path()).expect("opens");
    // A power loss cannot be tried here; the switch can be looked at.
    let shown = format!("{directory:?}");
    assert!(shown.contains("fsync: true"), "{shown}");
}

#[test]
fn a_file_is_no_directory() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let file = root.path().join("file");
    std::fs::write(&file, "x").expect("writes");
    let error = ColdUrl::Directory(file).open(&|_| None).err();
    let error = error.expect("is refused").to_string();
    assert!(
        error.starts_with("object store ") && !error.contains('\n'),
        "{error}"
    );
}
