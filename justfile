# The whole thing on SQLite, nothing else needed.
demo:
    cargo run --release -p postrider -- demo

# The tests alone; behind it the name of one, or a part of it.
test *ARGS:
    scripts/with-postgres cargo nextest run --workspace {{ARGS}}

# Format and lints alone.
lint:
    cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings

# Licences, sources, duplicates, who may depend on what, and advisories; needs cargo-deny.
deny:
    cargo deny check

# How much, how fast, against the limit of this machine; behind it what to measure: `just bench --only strict-1,latency`. The
# daemon is built by itself, so that the bench has no say in which features its libraries have.
bench *ARGS:
    cargo build --release --locked -p postrider
    scripts/with-postgres cargo run --release --locked -p postrider-bench -- {{ARGS}}

# The pure parts that every event passes.
bench-hot *ARGS:
    cargo bench --locked -p postrider-bench --bench hot -- {{ARGS}}

# What each step costs between a commit and the page that has its event.
bench-steps:
    scripts/with-postgres cargo test --release -p postrider-store --test it -- --ignored --nocapture bench_the_way

# Writers, crashes and frozen databases for a long time.
soak:
    scripts/with-postgres cargo test --release -p postrider --test it -- --ignored --nocapture --test-threads 1 soak

# Three daemons, 100,000 events, and everything that can happen to them; a backlog of a million beside dead targets.
chaos:
    scripts/with-postgres cargo test --release -p postrider --test it -- --ignored --nocapture --test-threads 1 chaos

# Whatever reads text from outside, a minute each; needs cargo-fuzz and a C++ compiler.
fuzz *ARGS:
    scripts/fuzz {{ARGS}}

# The console in a real browser; behind it the files of some tests.
browser *ARGS:
    scripts/test-browser {{ARGS}}

# Whatever the description of the API allows, and much that it does not.
openapi *ARGS:
    scripts/test-openapi {{ARGS}}

# What comes into the house, without advisories: nothing of it needs more than the packages' registries.
supply:
    scripts/test-supply

# Unit, chart, image, composition, Debian package and man pages; behind it some of man, unit, chart, image, compose, package.
deploy *ARGS:
    scripts/test-deploy {{ARGS}}

# What is handed out, into target/dist: archive, Debian package, bill of materials, sums.
release:
    scripts/release

# The receivers of the guide, each with a daemon; behind it the names of some.
receivers *ARGS:
    scripts/test-receivers {{ARGS}}

# The alert rules: each fires when it should, and only then.
alerts:
    scripts/test-alerts

# The daemon behind PgBouncer.
pooler:
    scripts/test-pooler

# The book, into target/book; mdBook is built once if it is not there.
book:
    scripts/test-book

# Writes down anew what others rely on; then look at `git diff tests/compat`, and say it in the changelog.
renew-pins:
    POSTRIDER_RENEW_PINS=1 scripts/with-postgres cargo nextest run -p postrider -E 'test(compat::)'

# Exactly what CI runs.
ci:
    .ci/run
