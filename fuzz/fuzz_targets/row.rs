#![no_main]

use std::cell::RefCell;

#[path = "../bodies/row.rs"]
mod body;

thread_local! {
    static TABLE: RefCell<body::Table> = RefCell::new(body::Table::new());
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| TABLE.with_borrow_mut(|table| table.read(data)));
