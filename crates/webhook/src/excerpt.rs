//! The beginning of an answer's body, for the log of attempts. Where nobody asked for it, nothing is copied.

use http::StatusCode;

/// Whether the beginning of an answer's body is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    /// Never.
    #[default]
    Nothing,
    /// Where the status is not 2xx.
    Failures,
    /// Whatever the answer is.
    Everything,
}

/// Bytes that are kept.
const MOST: usize = 4 * 1024;

/// See the module's head.
#[derive(Default)]
pub(crate) struct Excerpt {
    /// `None` where nothing is kept.
    kept: Option<Vec<u8>>,
    /// There was more.
    cut: bool,
}

impl Excerpt {
    /// For an answer with this status.
    pub(crate) fn of(keep: Keep, status: StatusCode) -> Self {
        let wanted = match keep {
            Keep::Nothing => false,
            Keep::Failures => !status.is_success(),
            Keep::Everything => true,
        };
        Self { kept: wanted.then(Vec::new), cut: false }
    }

    /// One more piece of the body.
    pub(crate) fn take(&mut self, chunk: &[u8]) {
        let Some(kept) = &mut self.kept else { return };
        let room = MOST - kept.len();
        self.cut |= chunk.len() > room;
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }

    /// As text: what is no UTF-8 is replaced, and a character that was cut in two is left out.
    pub(crate) fn into_text(self) -> Option<String> {
        let mut kept = self.kept?;
        if self.cut
            && let Err(error) = std::str::from_utf8(&kept)
            && error.error_len().is_none()
        {
            kept.truncate(error.valid_up_to());
        }
        let text =
            String::from_utf8(kept).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chunks: &[&[u8]], expected: Option<&str>) {
        let mut excerpt = Excerpt::of(Keep::Everything, StatusCode::OK);
        for chunk in chunks {
            excerpt.take(chunk);
        }
        assert_eq!(excerpt.into_text().as_deref(), expected);
    }

    #[test]
    fn the_beginning_is_kept_as_text() {
        check(&[], None);
        check(&[b"no ", b"such tenant"], Some("no such tenant"));
        check(&[b"a\xffb"], Some("a\u{fffd}b"));
        check(&[&[b'a'; 3000], &[b'b'; 3000]], Some(&("a".repeat(3000) + &"b".repeat(1096))));
    }

    #[test]
    fn a_character_that_was_cut_in_two_is_left_out() {
        let most = "a".repeat(4095);
        check(&[most.as_bytes(), "é".as_bytes()], Some(&most));
        check(&["\u{e9}".repeat(2048).as_bytes()], Some(&"\u{e9}".repeat(2048)));
        // One that the endpoint itself did not finish is told.
        check(&[b"a\xc3"], Some("a\u{fffd}"));
    }

    #[test]
    fn nothing_is_kept_unasked() {
        for (keep, status, kept) in [
            (Keep::Nothing, 500, false),
            (Keep::Failures, 200, false),
            (Keep::Failures, 500, true),
            (Keep::Failures, 302, true),
            (Keep::Everything, 200, true),
        ] {
            let status = StatusCode::from_u16(status).expect("a valid status");
            let mut excerpt = Excerpt::of(keep, status);
            excerpt.take(b"text");
            assert_eq!(excerpt.into_text().is_some(), kept, "{keep:?} {status}");
        }
    }
}
