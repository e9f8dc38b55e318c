//! A payload as it can be read: the stored text with its digits and its order, only with lines and spaces put between.

/// Steps of a line that stands within others.
const STEP: &str = "  ";

/// JSON with a line for each value. Whatever is not JSON stays as it is, more or less: nothing but white space is put in or left out.
pub(super) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut letters = json.chars().filter(|letter| *letter != '\u{feff}').peekable();
    while let Some(letter) = letters.next() {
        if in_text {
            out.push(letter);
            in_text = escaped || letter != '"';
            escaped = letter == '\\' && !escaped;
            continue;
        }
        match letter {
            '{' | '[' => {
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(letter);
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            letter if letter.is_ascii_whitespace() => {}
            letter => {
                in_text = letter == '"';
                out.push(letter);
            }
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    // What is nested deeper than anybody reads is not moved any further.
    out.push_str(&STEP.repeat(depth.min(32)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_laid_out_and_keeps_its_digits_and_its_texts() {
        let stored = r#"{"a":12345678901234567890.10,"b":[1, {"c" : "x\\\", {y: \\"}],"e":{ },"f":[]}"#;
        let read = "{\n  \"a\": 12345678901234567890.10,\n  \"b\": [\n    1,\n    {\n      \"c\": \"x\\\\\\\", {y: \\\\\"\n    }\n  ],\n  \
                    \"e\": {},\n  \"f\": []\n}";
        assert_eq!(pretty(stored), read);
        assert_eq!(pretty("null"), "null");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
        assert_eq!(value(stored), value(&pretty(stored)));
    }
}
