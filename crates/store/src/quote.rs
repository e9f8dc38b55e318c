//! Names in SQL.

/// A name as an identifier in SQL, whatever it holds.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_name_is_an_identifier_whatever_it_holds() {
        assert_eq!([quote("user"), quote("a\"b c")], ["\"user\"", "\"a\"\"b c\""]);
    }
}
