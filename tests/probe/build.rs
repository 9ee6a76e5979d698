//! Sets the cfg options for the nginx that the probe is built for; see the module's own build script.

use std::env;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=DEP_NGINX_VERSION_NUMBER");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES");
    let version: u64 = env::var("DEP_NGINX_VERSION_NUMBER")?.parse()?;

    // rr_peers_t has `tries`
    println!("cargo::rustc-check-cfg=cfg(nginx_group_tries)");
    if version >= 1_019_006 {
        println!("cargo::rustc-cfg=nginx_group_tries");
    }

    // rr_peer_t has `refs`, `zombie` and `host`; rr_peers_t has `config` and `resolve`
    println!("cargo::rustc-check-cfg=cfg(nginx_peer_refs)");
    if version >= 1_027_003 {
        println!("cargo::rustc-cfg=nginx_peer_refs");
    }

    // rr_peer_t has a `sid`
    println!("cargo::rustc-check-cfg=cfg(nginx_peer_sid)");
    let headers = env::var("DEP_NGINX_BUILD_DIR")? + "/ngx_auto_config.h";
    println!("cargo::rerun-if-changed={headers}");
    let headers = std::fs::read_to_string(headers)?;
    let mut words = headers.split_ascii_whitespace();
    if version >= 1_029_006
        && words.any(|word| ["NGX_HTTP_UPSTREAM_SID", "NGX_COMPAT"].contains(&word))
    {
        println!("cargo::rustc-cfg=nginx_peer_sid");
    }

    let known = env::var("DEP_NGINX_FEATURES_CHECK").unwrap_or_else(|_| "any()".into());
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({known}))");
    for feature in env::var("DEP_NGINX_FEATURES")
        .unwrap_or_default()
        .split(',')
    {
        println!("cargo::rustc-cfg=ngx_feature=\"{}\"", feature.trim());
    }
    Ok(())
}
