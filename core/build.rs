//! Compiles the schemas in `proto/` without needing `protoc`, with proto3 JSON for the wire.
use prost_build::Config;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["ringdove/v1/wire.proto", "ringdove/v1/admin.proto", "ringdove/v1/log.proto"];
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    let bytes = protox::prost::Message::encode_to_vec(&descriptors);
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), &bytes)?;
    Config::new().compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&bytes)?
        .ignore_unknown_fields()
        .build(&[".ringdove.v1", ".ringdove.log.v1"])?;
    Ok(())
}
