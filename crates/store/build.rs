//! The migrations are part of the program: a new file must be noticed.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
