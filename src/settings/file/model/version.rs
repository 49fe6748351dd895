//! Versions of the schema: `file_format`.
//!
//! | `file_format` | result |
//! |---|---|
//! | 1.0, 1.1 | read |
//! | 1.2 and later | a warning, and one for each key that is not known |
//! | 0.x, 2.x | a mistake |
//! | anything else | a mistake |
//!
//! Minor versions add keys only, so that a newer file loses what is new, and says so.
//!
//! The version is checked first, because it decides how unknown keys are reported. The key itself is read like any
//! other property: a missing `file_format`, or one that is no text, is reported there and not here.
//!
//! | example | message |
//! |---|---|
//! | `file_format: 1.1` | `1.1 is not allowed here: must be text (quote what looks like a number, …)` |
//! | `file_format: "1"` | `"1" is not a version: must be "MAJOR.MINOR", such as "1.1"` |
//! | `file_format: "2.0"` | `version 2.0 is not supported: must be 1.0 or 1.1` |
//! | `file_format: "1.2"` | a warning: `version 1.2 is newer than 1.1, which this version of … reads` |

use super::read::Reader;
use super::values::text_of;
use crate::settings::file::yaml::Node;
use crate::settings::secrets::quoted;

/// Checks the version of a file. Returns `true` if its minor version is newer than this crate's.
///
/// `false` for every other version, also after a mistake: unknown keys are then reported as mistakes.
/// [`read`](super::read()) keeps the result in [`Reader::is_newer`].
pub(super) fn check_version(root: &Node, reader: &mut Reader) -> bool {
    let Some(node) = root.get("file_format") else { return false };
    let version = match text_of(node).map(parse) {
        Some(Some(version)) => version,
        Some(None) => {
            let shown = quoted(text_of(node).unwrap_or_default());
            reader.below("file_format", |reader| {
                reader.mistake(
                    node.at,
                    format!("{shown} is not a version: must be \"MAJOR.MINOR\", such as \"1.1\""),
                )
            });
            return false;
        }
        // The type is reported where the property is read.
        None => return false,
    };
    match version {
        (MAJOR, minor) if minor <= MINOR => false,
        (MAJOR, minor) => {
            reader.warnings.push(format!(
                "{}: file_format: version {MAJOR}.{minor} is newer than {MAJOR}.{MINOR}, which this version of \
                 telemetry-bootstrap reads; what it does not know is ignored",
                node.at
            ));
            true
        }
        (major, minor) => {
            reader.below("file_format", |reader| {
                reader.mistake(
                    node.at,
                    format!("version {major}.{minor} is not supported: must be {MAJOR}.0 or {MAJOR}.{MINOR}"),
                )
            });
            false
        }
    }
}

/// Reads `MAJOR.MINOR`; a suffix such as `-rc.1` does not count.
///
/// `None` for anything else, such as `1`, `1.1.0` or `v1.1`, and for a number that is larger than 32 bits hold.
fn parse(text: &str) -> Option<(u32, u32)> {
    let (version, suffix) =
        text.split_once('-').map_or((text, None), |(version, suffix)| (version, Some(suffix)));
    if suffix.is_some_and(str::is_empty) {
        return None;
    }
    let (major, minor) = version.split_once('.')?;
    let number = |digits: &str| {
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    Some((number(major)?, number(minor)?))
}

/// The only major version that is read. Another one may have the same keys with other meanings.
const MAJOR: u32 = 1;
/// The newest minor version that is known completely; the declared types are those of its schema.
const MINOR: u32 = 1;
