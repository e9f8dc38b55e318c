//! Tries a body with its seeds, and with what random changes make of them: what `just fuzz` does at length, and the tests of
//! the crates for a second.

#![allow(dead_code, reason = "every test takes one of the two")]

use std::{fs, panic, path::Path};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// How many inputs are made of the seeds.
const TRIES: usize = 3_000;

/// With any bytes.
pub fn try_bytes(name: &str, body: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<Vec<u8>> = entries
        .map(|entry| fs::read(entry.expect("a folder can be listed").path()).expect("a seed can be read"))
        .collect();
    assert!(!seeds.is_empty(), "{name} has seeds");
    seeds.push(Vec::new());
    let random = rand::random();
    let mut rng = StdRng::seed_from_u64(random);
    let attempt = |input: &[u8]| {
        if let Err(broken) = panic::catch_unwind(panic::AssertUnwindSafe(|| body(input))) {
            eprintln!("{name} broke at {:?}; keep it as a file in fuzz/seeds/{name}", String::from_utf8_lossy(input));
            panic::resume_unwind(broken);
        }
    };
    for seed in &seeds {
        attempt(seed);
    }
    for _ in 0..TRIES {
        attempt(&changed(&seeds, &mut rng));
    }
}

/// With any text.
pub fn try_texts(name: &str, body: impl Fn(&str)) {
    try_bytes(name, |bytes| body(&String::from_utf8_lossy(bytes)));
}

/// A seed with a few changes: bytes replaced, cut out, doubled, or exchanged for a piece of another seed.
fn changed(seeds: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\n\"'#=[]{},.:/-+ 019ezt\x7f\xc3\xff";
    let mut input = seeds.choose(rng).expect("there are seeds").clone();
    for _ in 0..rng.random_range(1..6) {
        let (from, to) = piece(&input, rng);
        match rng.random_range(0..5) {
            0 => input.insert(from, *TELLING.choose(rng).expect("there are some")),
            1 => drop(input.drain(from..to)),
            2 => drop(input.splice(from..from, input[from..to].to_vec())),
            3 if from < to => input[from] = rng.random(),
            _ => {
                let other = seeds.choose(rng).expect("there are seeds");
                let (start, end) = piece(other, rng);
                drop(input.splice(from..to, other[start..end].to_vec()));
            }
        }
    }
    input
}

/// A short piece, perhaps of no length.
fn piece(of: &[u8], rng: &mut StdRng) -> (usize, usize) {
    let from = rng.random_range(0..=of.len());
    (from, (from + rng.random_range(0..24)).min(of.len()))
}
