//! What the house looks like, checked: which crate may know which, where
//! dependencies come from and under which licence, how long a file is, which
//! words stay out, and that links in the documents lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A file is not longer than this; most are far shorter.
const LINES_MAX: usize = 600;

/// Who may depend on whom inside the workspace: services on `protocol` and
/// `runtime`, never on each other; the binary on all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("firn-protocol", &[]),
    ("firn-runtime", &[]),
    ("firn-gateway", &["firn-protocol", "firn-runtime"]),
    ("firn-storage-node", &["firn-protocol", "firn-runtime"]),
    ("firn-tenant-service", &["firn-protocol", "firn-runtime"]),
    ("firn-load-tests", &["firn-protocol"]),
    (
        "firn",
        &[
            "firn-protocol",
            "firn-runtime",
            "firn-gateway",
            "firn-storage-node",
            "firn-tenant-service",
        ],
    ),
];

/// Large, or with state of their own: a second version would be a second one
/// of everything.
const ONCE_ONLY: &[&str] = &[
    "actix-web",
    "blake3",
    "clap",
    "jsonwebtoken",
    "prometheus",
    "regex",
    "rustls",
    "serde",
    "serde_json",
    "sled",
    "sqlx-core",
    "tokio",
    "toml",
    "tracing",
];

fn root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().expect("inside the workspace").to_owned()
}

fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn toml_file(path: &Path) -> toml::Table {
    read(path).parse().expect("TOML")
}

/// Every file that is ours and has one of these endings.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                let foreign = ["target", "data", "bench-data", "node_modules", "dist"];
                let is_hidden = name.starts_with('.') && name != ".ci";
                if !is_hidden && !foreign.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Fails with all complaints at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(args)
        .output();
    let output = output.expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// What cargo knows about the crates of this platform.
fn metadata() -> Value {
    let version = cargo(&["--version", "--verbose"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.expect("cargo knows its host");
    let args = [
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ];
    serde_json::from_str(&cargo(&args)).expect("JSON")
}

/// Names of the crates that are compiled. `cargo metadata` also shows those
/// that only an option of a dependency, which nobody switches on, would bring.
fn compiled() -> BTreeSet<String> {
    let args = ["tree", "--locked", "--workspace", "--prefix", "none"];
    let tree = cargo(&args);
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn texts<'a>(value: &'a toml::Value, key: &str) -> Vec<&'a str> {
    let items = value
        .get(key)
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    let text = |item: &'a toml::Value| item.as_str().or_else(|| item.get("crate")?.as_str());
    items.filter_map(text).collect()
}

#[test]
fn crates_know_only_what_lies_below_them() {
    let workspace = toml_file(&root().join("Cargo.toml"));
    let rules: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut complaints = Vec::new();
    for member in texts(&workspace["workspace"], "members") {
        let manifest = toml_file(&root().join(member).join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().expect("a name");
        let Some(allowed) = rules.get(name) else {
            complaints.push(format!("{name}: say in tidy.rs what it may use"));
            continue;
        };
        // Tests are bound as well: what they need from above belongs above.
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used = manifest.get(section).and_then(toml::Value::as_table);
            for other in used.into_iter().flat_map(toml::Table::keys) {
                if other.starts_with("firn") && !allowed.contains(&other.as_str()) {
                    complaints.push(format!("{name} must not use {other}"));
                }
            }
        }
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            complaints.push(format!("{name} must take the workspace's lints"));
        }
    }
    none(complaints);
}

#[test]
fn dependencies_keep_the_policy() {
    let policy = toml_file(&root().join("deny.toml"));
    let allowed: BTreeSet<&str> = texts(&policy["licenses"], "allow").into_iter().collect();
    let banned = texts(&policy["bans"], "deny");
    assert!(
        !allowed.is_empty() && !banned.is_empty(),
        "the policy is read"
    );
    let (metadata, compiled) = (metadata(), compiled());
    let packages = metadata["packages"].as_array().expect("packages");
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut complaints = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        *seen.entry(name).or_default() += 1;
        let licence = package["license"].as_str().unwrap_or("none");
        if !permits(licence, &|term| allowed.contains(term)) {
            complaints.push(format!("{name}: licence {licence}"));
        }
        let source = package["source"].as_str().unwrap_or("path");
        if source != "path" && !source.starts_with("registry+") {
            complaints.push(format!("{name}: comes from {source}"));
        }
        if banned.contains(&name) && compiled.contains(name) {
            complaints.push(format!("{name}: banned"));
        }
    }
    for name in ONCE_ONLY {
        if seen.get(name).is_some_and(|count| *count > 1) {
            complaints.push(format!("{name}: more than one version"));
        }
    }
    none(complaints);
}

/// Whether an SPDX expression leaves a choice that is allowed. `AND` binds
/// tighter than `OR`; the old `/` means `OR`.
fn permits(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let choice = any_of(&words, &mut at, allowed);
    choice && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut choice = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        choice |= all_of(words, at, allowed);
    }
    choice
}

fn all_of(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut choice = term(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        choice &= term(words, at, allowed);
    }
    choice
}

fn term(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let word = words.get(*at).copied().unwrap_or_default();
    *at += 1;
    if word == "(" {
        let choice = any_of(words, at, allowed);
        *at += 1;
        return choice;
    }
    match (words.get(*at), words.get(*at + 1)) {
        (Some(&"WITH"), Some(exception)) => {
            *at += 2;
            allowed(&format!("{word} WITH {exception}"))
        }
        _ => allowed(word),
    }
}

#[test]
fn licences_are_understood() {
    let allowed = |term: &str| ["MIT", "Zlib", "A WITH e"].contains(&term);
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "(MIT OR X) AND Zlib",
        "A WITH e OR X",
    ] {
        assert!(permits(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND X",
        "(MIT OR X) AND X",
        "A",
        "MIT WITH e",
        "MIT)",
    ] {
        assert!(!permits(bad, &allowed), "{bad}");
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut complaints = Vec::new();
    for path in files(&[".rs"]) {
        let (text, name) = (read(&path), path.display());
        let lines = text.lines().count();
        if lines > LINES_MAX {
            complaints.push(format!("{name}: {lines} lines, at most {LINES_MAX}"));
        }
        // A tests.rs belongs to the file beside it, which says it.
        if !text.starts_with("//!") && !path.ends_with("tests.rs") {
            complaints.push(format!("{name}: starts without a module comment"));
        }
    }
    none(complaints);
}

#[test]
fn promises_are_kept_elsewhere() {
    // Joined here so that this file does not hold them.
    let words = [["TO", "DO"], ["FIX", "ME"], ["HA", "CK:"]].map(|halves| halves.concat());
    let mut complaints = Vec::new();
    for path in files(&[".rs", ".md", ".toml", ".sh", ".sql", ".proto", "Makefile"]) {
        for (number, line) in read(&path).lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                complaints.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut complaints = Vec::new();
    for path in files(&[".md"]) {
        let folder = path.parent().expect("in a folder");
        for link in links(&read(&path)) {
            let is_outside = link.contains("://") || link.starts_with("mailto:");
            let file = link.split('#').next().unwrap_or_default();
            if !is_outside && !file.is_empty() && !folder.join(file).exists() {
                complaints.push(format!("{}: {link}", path.display()));
            }
        }
    }
    none(complaints);
}

/// Targets of `[text](target)`, outside code blocks.
fn links(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in markdown.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let parts = line.split("](").skip(1).filter(|_| !is_code);
        found.extend(
            parts
                .filter_map(|part| part.split_once(')'))
                .map(|(link, _)| link.to_owned()),
        );
    }
    found
}

#[test]
fn links_are_found() {
    let text = "a [b](c.md) and [d](e.md#f)\n```\n[no](code)\n```\n[g](https://h)";
    assert_eq!(links(text), ["c.md", "e.md#f", "https://h"]);
}
