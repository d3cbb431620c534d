//! Makes Rust of the `.proto` files, without protoc.

use std::error::Error;

const FILES: [&str; 2] = ["proto/definition.proto", "proto/service.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        // The connecting half is left to whoever is a client: tests.
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .bytes(".apache.rocketmq.v2.Message.body")
        .btree_map(".apache.rocketmq.v2")
        .compile_fds(files)?;
    Ok(())
}
