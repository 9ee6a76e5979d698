//! Sets cfg values that describe the nginx the module is built for.
//!
//! nginx-sys describes the configured source tree in `DEP_NGINX_*` variables. They become `ngx_feature="…"` values, and one cfg
//! for each nginx version that changed a structure the module uses.

use std::env;
use std::error::Error;

use sha2::{Digest, Sha256};

/// The first version for which a cfg is set, and its name. The comments give the reason.
const VERSIONS: &[(u64, &str)] = &[
    // rr_peers_t has `tries`, which does not count servers that are down
    (1_019_006, "nginx_peers_tries"),
    // headers_in.cookie is a linked list, ngx_table_elt_t has `next`
    (1_023_000, "nginx_header_chains"),
    // rr_peer_t has `refs` and `zombie`, rr_peers_t has `config`: servers are added and removed at run time
    (1_027_003, "nginx_peer_refs"),
    // ngx_http_request_t has a `port` before its bit fields
    (1_029_004, "nginx_request_port"),
    // the keepalive module wraps every upstream itself, after all directives are read
    (1_029_007, "nginx_implicit_keepalive"),
];

/// The page of `session_sticky_status`, which is compiled into the module.
const PAGE: &str = "src/status/page.html";

fn main() -> Result<(), Box<dyn Error>> {
    tell_policy_of_page()?;
    println!("cargo::rerun-if-env-changed=DEP_NGINX_VERSION_NUMBER");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES");

    let version: u64 = env::var("DEP_NGINX_VERSION_NUMBER")?.parse()?;

    for (since, cfg) in VERSIONS {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if version >= *since {
            println!("cargo::rustc-cfg={cfg}");
        }
    }

    // rr_peer_t and ngx_peer_connection_t have a `sid`, with nginx's own `sticky` or with `--with-compat`, which fixes the layout
    println!("cargo::rustc-check-cfg=cfg(nginx_peer_sid)");
    if version >= 1_029_006 && defines_any(&["NGX_HTTP_UPSTREAM_SID", "NGX_COMPAT"])? {
        println!("cargo::rustc-cfg=nginx_peer_sid");
    }
    // nginx has its own `server … drain`
    println!("cargo::rustc-check-cfg=cfg(nginx_drain)");
    if version >= 1_029_006 && defines_any(&["NGX_HTTP_UPSTREAM_STICKY"])? {
        println!("cargo::rustc-cfg=nginx_drain");
    }

    // ngx_http_access_module has rules for these addresses
    println!("cargo::rustc-check-cfg=cfg(nginx_inet6)");
    if defines_any(&["NGX_HAVE_INET6"])? {
        println!("cargo::rustc-cfg=nginx_inet6");
    }
    println!("cargo::rustc-check-cfg=cfg(nginx_unix_domain)");
    if defines_any(&["NGX_HAVE_UNIX_DOMAIN"])? {
        println!("cargo::rustc-cfg=nginx_unix_domain");
    }

    // nginx_upstream_check_module is compiled in, and rr_peer_t has a `check_index`; Tengine likewise
    println!("cargo::rustc-check-cfg=cfg(nginx_upstream_check)");
    if defines_any(&["NGX_HTTP_UPSTREAM_CHECK"])? {
        println!("cargo::rustc-cfg=nginx_upstream_check");
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

/// Returns whether the configured source tree defines any of these names.
fn defines_any(names: &[&str]) -> Result<bool, Box<dyn Error>> {
    let headers = env::var("DEP_NGINX_BUILD_DIR")? + "/ngx_auto_config.h";
    println!("cargo::rerun-if-changed={headers}");
    let headers = std::fs::read_to_string(headers)?;
    let mut words = headers.split_ascii_whitespace();
    Ok(words.any(|word| names.contains(&word)))
}

/// Sets the Content-Security-Policy of the status page: it allows the page's one script, its one style, and requests to the
/// server that sent the page.
fn tell_policy_of_page() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PAGE}");
    let page = std::fs::read_to_string(PAGE)?;
    let script = hash_of(&page, "script")?;
    let style = hash_of(&page, "style")?;
    println!(
        "cargo::rustc-env=SESSION_STICKY_PAGE_POLICY=default-src 'none'; connect-src 'self'; script-src '{script}'; \
         style-src '{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Ok(())
}

/// Returns the hash of the content of the only `element` in the page, in the syntax of a policy.
fn hash_of(page: &str, element: &str) -> Result<String, Box<dyn Error>> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let mut parts = page.split(open.as_str());
    let (Some(_), Some(rest), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("{PAGE} needs one {open}").into());
    };
    let (content, _) = rest
        .split_once(close.as_str())
        .ok_or_else(|| format!("{PAGE} has no {close}"))?;
    Ok(format!("sha256-{}", base64(&Sha256::digest(content))))
}

/// Returns bytes in base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0u32, |bits, at| {
            bits << 8 | u32::from(chunk.get(at).copied().unwrap_or_default())
        });
        (0..4usize).map(move |at| {
            let digit = bits >> (18usize.saturating_sub(at.saturating_mul(6))) & 63;
            match DIGITS.get(digit as usize) {
                Some(digit) if at <= chunk.len() => char::from(*digit),
                _ => '=',
            }
        })
    });
    digits.collect()
}
