//! Makes Rust of the `.proto` files, without protoc, and a table of the files of the
//! web console, if it was built.
#![allow(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const FILES: [&str; 2] = ["proto/definition.proto", "proto/service.proto"];
/// In git with nothing in it, so that cargo sees when something comes.
const CONSOLE: &str = "../web/dist";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed={CONSOLE}");
    let files = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        // The connecting half is left to whoever is a client: tests.
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .bytes(".apache.rocketmq.v2.Message.body")
        .btree_map(".apache.rocketmq.v2")
        .compile_fds(files)?;
    let table = console(&Path::new(CONSOLE).join("console"))?;
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("console_files.rs"),
        table,
    )?;
    Ok(())
}

/// The constant `FILES` of `console.rs`.
fn console(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    // As texts, which is how they are looked up.
    found.sort_by_key(|path| path.to_string_lossy().into_owned());
    let mut table = String::from("static FILES: &[File] = &[\n");
    for path in found.iter().filter(|path| kind(path).is_some()) {
        let include = |path: &Path| -> Result<String, Box<dyn Error>> {
            Ok(format!("include_bytes!({:?})", fs::canonicalize(path)?))
        };
        let packed = PathBuf::from(format!("{}.gz", path.display()));
        let gzip = match packed.exists() {
            true => format!("Some({})", include(&packed)?),
            false => "None".to_owned(),
        };
        writeln!(
            table,
            "File {{ path: {:?}, content_type: {:?}, plain: {}, gzip: {gzip} }},",
            path.strip_prefix(root)?,
            kind(path).unwrap_or_default(),
            include(path)?,
        )?;
    }
    table.push_str("];\n");
    Ok(table)
}

/// The content type of what is served; the rest of the folder stays outside.
fn kind(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "woff2" => Some("font/woff2"),
        "png" => Some("image/png"),
        _ => None,
    }
}
