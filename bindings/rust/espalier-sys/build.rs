// SPDX-License-Identifier: Apache-2.0
//! Finds the static library: in the installed prefix ESPALIER_DIR, or else where pkg-config says.
//! Never downloads or compiles anything.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the library and the header lie.
struct Place {
    library: PathBuf,
    include: PathBuf,
}

fn from_prefix(prefix: &Path) -> Option<Place> {
    let triple = env::var("CARGO_CFG_TARGET_ARCH").map(|arch| format!("lib/{arch}-linux-gnu"));
    let mut folders = vec!["lib".to_string(), "lib64".to_string()];
    folders.extend(triple);
    let library = folders
        .iter()
        .map(|folder| prefix.join(folder))
        .find(|folder| folder.join("libespalier.a").is_file())?;
    Some(Place { library, include: prefix.join("include") })
}

fn ask_pkg_config(variable: &str) -> Result<PathBuf, String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_string());
    let said = Command::new(&program)
        .args([&format!("--variable={variable}"), "espalier"])
        .output()
        .map_err(|error| format!("{program} does not run: {error}"))?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_string();
    if said.status.success() && !text.is_empty() {
        Ok(PathBuf::from(text))
    } else {
        Err(format!("{program} knows no espalier: {}", String::from_utf8_lossy(&said.stderr)))
    }
}

fn find() -> Result<Place, String> {
    if let Some(prefix) = env::var_os("ESPALIER_DIR") {
        let prefix = PathBuf::from(prefix);
        return from_prefix(&prefix).ok_or_else(|| {
            format!("ESPALIER_DIR={}: no libespalier.a in its lib", prefix.display())
        });
    }
    let place =
        Place { library: ask_pkg_config("libdir")?, include: ask_pkg_config("includedir")? };
    if place.library.join("libespalier.a").is_file() {
        Ok(place)
    } else {
        Err(format!("no libespalier.a in {}", place.library.display()))
    }
}

fn main() {
    for name in ["ESPALIER_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    match find() {
        Ok(place) => {
            let library = place.library.join("libespalier.a");
            println!("cargo:rerun-if-changed={}", library.display());
            println!("cargo:rustc-link-search=native={}", place.library.display());
            println!("cargo:rustc-link-lib=static=espalier");
            println!("cargo:rustc-link-lib=m");
            println!("cargo:include={}", place.include.display());
            println!("cargo:rustc-env=ESPALIER_INCLUDE={}", place.include.display());
        }
        Err(why) => {
            eprintln!("espalier-sys: {why}");
            eprintln!("espalier-sys: install Espalier (cmake --install), then set ESPALIER_DIR to");
            eprintln!("espalier-sys: the prefix, or PKG_CONFIG_PATH to its lib/pkgconfig");
            std::process::exit(1);
        }
    }
}
