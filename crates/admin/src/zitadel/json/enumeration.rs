//! Enums, by name or by number.

/// An enum of the API: for each of its values the name, the number, and what it is here.
pub(crate) trait Enumeration: Copy + Sized + 'static {
    /// Every value.
    const VALUES: &'static [(&'static str, i64, Self)];
}
