//! What JSON looks like, whatever it says: the path of every value, and of which types it was seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use serde_json::Value;

/// The shape of everything that was looked at.
#[derive(Default)]
pub struct Shape {
    values: usize,
    types: BTreeSet<&'static str>,
    elements: Option<Box<Shape>>,
    objects: usize,
    fields: BTreeMap<String, Shape>,
}

impl Shape {
    /// Looks at one more value.
    pub fn see(&mut self, value: &Value) {
        self.values += 1;
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(elements) => {
                let shape = self.elements.get_or_insert_default();
                for element in elements {
                    shape.see(element);
                }
                "array"
            }
            Value::Object(fields) => {
                self.objects += 1;
                for (name, value) in fields {
                    self.fields.entry(name.clone()).or_default().see(value);
                }
                "object"
            }
        };
        self.types.insert(kind);
    }

    fn write(&self, path: &str, sometimes: bool, text: &mut String) -> fmt::Result {
        let types = if self.types.is_empty() { vec!["(none was there)"] } else { self.types.iter().copied().collect() };
        let sometimes = if sometimes { ", not always there" } else { "" };
        let shown = if path.is_empty() { "." } else { path };
        writeln!(text, "  {shown}: {}{sometimes}", types.join(" or "))?;
        if let Some(elements) = &self.elements {
            elements.write(&format!("{path}[]"), false, text)?;
        }
        for (name, field) in &self.fields {
            field.write(&format!("{path}.{name}"), field.values < self.objects, text)?;
        }
        Ok(())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write("", false, &mut text)?;
        f.write_str(&text)
    }
}

#[test]
fn a_field_that_is_gone_or_of_another_type_is_another_shape() {
    let shape = |values: &[Value]| {
        let mut shape = Shape::default();
        for value in values {
            shape.see(value);
        }
        shape.to_string()
    };
    let found = shape(&[serde_json::json!([{ "a": 1, "b": null }, { "a": "x" }])]);
    assert_eq!(found, "  .: array\n  []: object\n  [].a: number or string\n  [].b: null, not always there\n");
    assert_ne!(found, shape(&[serde_json::json!([{ "a": 1, "b": null }])]));
}
