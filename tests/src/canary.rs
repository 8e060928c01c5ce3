//! The search for data that must not be readable: every file below some directories, for every shape that a careless
//! writer would give a text.

use std::path::{Path, PathBuf};

/// A text that stands nowhere by chance, so that finding it means that data leaked.
#[derive(Clone)]
pub struct Canary {
    text: String,
    shapes: Vec<(&'static str, Vec<u8>)>,
}

impl Canary {
    /// A canary of this text; letters and digits, at least 12.
    ///
    /// # Panics
    /// It is shorter.
    pub fn new(text: impl Into<String>) -> Canary {
        let text = text.into();
        assert!(text.len() >= 12, "{text} may stand somewhere by chance");
        let bytes = text.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let decimals: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
        let mut shapes = vec![
            ("as it is", bytes.to_vec()),
            // A length lies before the first byte, or it was cut: the middle is enough.
            ("its middle", bytes[2..bytes.len() - 2].to_vec()),
            ("in capitals", text.to_uppercase().into_bytes()),
            ("in hex", hex.clone().into_bytes()),
            ("in capital hex", hex.to_uppercase().into_bytes()),
            ("as Rust prints bytes", decimals.join(", ").into_bytes()),
            ("as JSON prints bytes", decimals.join(",").into_bytes()),
            ("in UTF-16", wide),
            ("backwards", bytes.iter().rev().copied().collect()),
        ];
        for (name, skip) in [
            ("in base64", 0),
            ("in base64 behind one byte", 2),
            ("in base64 behind two bytes", 1),
        ] {
            let whole = (bytes.len() - skip) / 3 * 3;
            shapes.push((name, base64(&bytes[skip..skip + whole]).into_bytes()));
        }
        Canary { text, shapes }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Where canaries were found: file, canary and shape, one a line. Empty: nowhere.
///
/// # Panics
/// A place does not exist, or no file is in it: that search could not have found anything.
pub fn search(places: &[PathBuf], canaries: &[Canary]) -> Vec<String> {
    let mut found = Vec::new();
    let mut searched = 0;
    for place in places {
        each_file(place, &mut |path, bytes| {
            searched += 1;
            found.extend(
                search_bytes(bytes, canaries).map(|hit| format!("{}: {hit}", path.display())),
            );
        });
    }
    assert!(searched > 0, "nothing to search in {places:?}");
    found
}

/// The same in bytes that are already there.
pub fn search_bytes<'a>(
    bytes: &'a [u8],
    canaries: &'a [Canary],
) -> impl Iterator<Item = String> + 'a {
    canaries.iter().flat_map(move |canary| {
        canary
            .shapes
            .iter()
            .filter(move |(_, shape)| contains(bytes, shape))
            .map(move |(name, _)| format!("{} {name}", canary.text))
    })
}

fn each_file(place: &Path, visit: &mut impl FnMut(&Path, &[u8])) {
    if place.is_file() {
        visit(place, place.as_os_str().as_encoded_bytes());
        return visit(place, &std::fs::read(place).unwrap());
    }
    for entry in
        std::fs::read_dir(place).unwrap_or_else(|error| panic!("{}: {error}", place.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, visit);
        } else if let Ok(bytes) = std::fs::read(&path) {
            // The name tells things, too. A file that has just gone is none.
            visit(&path, path.as_os_str().as_encoded_bytes());
            visit(&path, &bytes);
        }
    }
}

/// Horspool's search: steps of nearly the needle's length.
fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(last) = needle.len().checked_sub(1) else {
        return true;
    };
    let mut skip = [needle.len(); 256];
    for (at, byte) in needle[..last].iter().enumerate() {
        skip[usize::from(*byte)] = last - at;
    }
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + needle.len()) {
        if window == needle {
            return true;
        }
        at += skip[usize::from(window[last])];
    }
    false
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift & 63) as usize]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_found_and_nothing_else() {
        let canary = Canary::new("canary7f3a9bird");
        let found = |bytes: &[u8]| search_bytes(bytes, std::slice::from_ref(&canary)).count() > 0;
        assert!(found(b"xx canary7f3a9bird yy"));
        assert!(found(b"nary7f3a9bi"));
        assert!(found(format!("{:?}", b"canary7f3a9bird").as_bytes()));
        assert!(found(b"63616e617279376633613962697264"));
        // What base64 makes of the text alone, behind "x" and behind "xy".
        assert!(found(b"Y2FuYXJ5N2YzYTliaXJk"));
        assert!(found(b"eGNhbmFyeTdmM2E5YmlyZA=="));
        assert!(found(b"eHljYW5hcnk3ZjNhOWJpcmQ="));
        assert!(!found(b"canary and bird, 7f3a9"));
        assert!(!found(&[]));
    }

    #[test]
    fn files_and_their_names_are_searched() {
        let place = tempfile::tempdir().unwrap();
        let canary = [Canary::new("canary7f3a9bird")];
        std::fs::create_dir(place.path().join("below")).unwrap();
        std::fs::write(place.path().join("below/harmless"), [0; 5000]).unwrap();
        let places = [place.path().to_owned()];
        assert_eq!(search(&places, &canary), Vec::<String>::new());
        let named = place.path().join("below/canary7f3a9bird.txt");
        std::fs::write(&named, "nothing").unwrap();
        assert!(!search(&places, &canary).is_empty());
        std::fs::remove_file(named).unwrap();
        std::fs::write(place.path().join("below/full"), "..canary7f3a9bird..").unwrap();
        assert!(
            search(&places, &canary)
                .iter()
                .any(|hit| hit.contains("full"))
        );
    }
}
