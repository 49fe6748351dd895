//! A line of JSON that was written to memory, read strictly. The fuzz target of lines reads them with this too.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value as Json;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Takes the line as it reads; it is one, and has no key twice.
    pub(crate) fn take(&self) -> BTreeMap<String, Json> {
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        let line = text.strip_suffix(b"\n").expect("a whole line");
        assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
        let Unique(line) = serde_json::from_slice(line).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(line));
        });
        line
    }
}

impl io::Write for Output {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A JSON object; reading it fails when a key comes twice.
struct Unique(BTreeMap<String, Json>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Unique, A::Error> {
                let mut object = BTreeMap::new();
                while let Some((key, value)) = entries.next_entry::<String, Json>()? {
                    if object.insert(key.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("key {key:?} comes twice")));
                    }
                }
                Ok(Unique(object))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
