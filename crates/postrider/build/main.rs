//! Tells the binary which commit it is made of. Nothing else goes in: no date, no host, no path, so that the same commit gives
//! the same binary.

mod commit;

use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-env-changed=POSTRIDER_COMMIT");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = match env::var("POSTRIDER_COMMIT").ok().filter(|said| !said.is_empty()) {
        Some(said) => match commit::said(&said) {
            Ok(commit) => Some(commit),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        },
        None => commit::of(&workspace).map(|(commit, watched)| {
            for path in watched {
                println!("cargo:rerun-if-changed={}", path.display());
            }
            commit
        }),
    };
    let commit = found.map_or_else(|| "of no known commit".to_owned(), |commit| commit[..commit::SHOWN].to_owned());
    println!("cargo:rustc-env=POSTRIDER_VERSION={} ({commit})", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}
