//! What `just fuzz` does at length: no value in any column makes reading a row panic.

use std::cell::RefCell;

#[path = "../../../../fuzz/bodies/mod.rs"]
mod bodies;
#[path = "../../../../fuzz/bodies/row.rs"]
mod body;

#[test]
fn no_value_in_any_column_makes_reading_a_row_panic() {
    let table = RefCell::new(body::Table::new());
    bodies::try_bytes("row", |data| table.borrow_mut().read(data));
}
