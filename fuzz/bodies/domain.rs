//! What is fuzzed of `domain`: the signature's header, positions, and keys as they are stored.

use std::time::Duration;

use domain::{Ahead, EventKey, Position, SigningKey};

/// A header and a body, with a line's end between them. Whatever is accepted was signed with the key.
pub fn signature(data: &[u8]) {
    const NOW: i64 = 1_743_070_963;
    let tolerance = Duration::from_mins(5);
    let keys = [SigningKey::from("a key"), SigningKey::from("")];
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, body) = (String::from_utf8_lossy(&data[..at]), data.get(at + 1..).unwrap_or_default());
    if domain::verify(&header, body, &keys, NOW, tolerance).is_ok() {
        let made = |second| domain::sign(body, second, &keys);
        let seconds = NOW - 300..=NOW + 300;
        let signed = seconds.map(made).any(|good| {
            let digests = good.split(",v1=").skip(1);
            digests.into_iter().any(|digest| header.to_ascii_lowercase().contains(digest))
        });
        assert!(signed, "nobody signed {header:?}");
    }
    let good = domain::sign(body, NOW, &keys);
    assert_eq!(domain::verify(&good, body, &keys[..1], NOW, tolerance), Ok(()));
    assert!(domain::verify(&good, body, &[], NOW, tolerance).is_err(), "without a key nothing is authentic");
    // Whatever is put behind it, no panic.
    let _ = domain::verify(&format!("{good},{header}"), body, &keys, NOW, tolerance);
}

/// Two decimals, with a space between them. They mean the same after they were printed.
pub fn position(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = |text: &str| text.parse::<Position>().ok();
    let (one, other) = text.split_once(' ').unwrap_or((&text, "0"));
    for position in [one, other].into_iter().filter_map(read) {
        let printed = position.to_string();
        assert_eq!(read(&printed), Some(position), "{printed} is printed");
        assert!(printed.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte)), "{printed} is plain");
        let json = serde_json::to_string(&position).expect("it is text");
        assert_eq!(serde_json::from_str::<Position>(&json).ok(), Some(position), "{json}");
    }
    if let (Some(one), Some(other)) = (read(one), read(other)) {
        assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
        assert!(EventKey::before(one) < EventKey::after(one));
        assert_eq!(one < other, EventKey::after(one) < EventKey::before(other));
    }
}

/// A key, or what is settled beyond a cursor, as JSON. It means the same after it was written.
pub fn key(data: &[u8]) {
    if let Ok(key) = serde_json::from_slice::<EventKey>(data) {
        let json = serde_json::to_string(&key).expect("it is a list of texts and numbers");
        assert_eq!(serde_json::from_str::<EventKey>(&json).ok(), Some(key.clone()), "{json}");
        assert!(!key.to_string().is_empty());
        assert!(domain::webhook_id(&"target".into(), &key, 0).starts_with("msg_"));
    }
    if let Ok(ahead) = serde_json::from_slice::<Ahead>(data) {
        let json = serde_json::to_string(&ahead).expect("it is made of keys");
        assert_eq!(serde_json::from_str::<Ahead>(&json).ok(), Some(ahead.clone()), "{json}");
        let settled = ahead.open.iter().chain([&ahead.to]).filter(|key| ahead.settles(key)).count();
        assert!(settled <= ahead.open.len() + 1);
    }
}
