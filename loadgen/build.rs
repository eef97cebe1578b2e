//! Compiles ringdove's schemas, which are all that loadgen knows of it.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let include = "../core/proto";
    println!("cargo::rerun-if-changed={include}");
    let files = ["ringdove/v1/wire.proto", "ringdove/v1/admin.proto"];
    prost_build::Config::new().compile_fds(protox::compile(files, [include])?)?;
    Ok(())
}
