//! Values that were given in code, unchecked.
//!
//! Values have the types of their settings, which are many, so that each is stored as `Any` under the path of its
//! setter; only the setting itself can get it back. A setter therefore is one line, and needs no field of its own.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use super::setting::Setting;

/// Values by the name of their setter: those of the builder itself, or those of one of its closures.
#[derive(Default)]
pub(crate) struct Values(BTreeMap<&'static str, Value>);

/// A value of a setter, of any type.
struct Value {
    /// Of the type of the setting with this setter.
    value: Box<dyn Any + Send + Sync>,
    /// For `Debug`: without secrets.
    shown: String,
}

impl Values {
    /// Stores a value; a later one replaces an earlier one.
    pub(crate) fn set<T: Send + Sync>(&mut self, setting: &Setting<T>, value: T) {
        let shown = (setting.kind.show)(&value);
        self.0.insert(setting.setter, Value { value: Box::new(value), shown });
    }

    /// Changes a value; an absent one is the default before.
    pub(crate) fn update<T: Clone + Send + Sync>(
        &mut self,
        setting: &Setting<T>,
        change: impl FnOnce(&mut T),
    ) {
        let mut value = self.get(setting).unwrap_or_else(|| setting.default.clone());
        change(&mut value);
        self.set(setting, value);
    }

    /// Adds all values of another part of the configuration, which replace those of the same settings.
    #[cfg(feature = "prometheus")]
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Removes a value, as if it had not been given.
    pub(super) fn remove<T>(&mut self, setting: &Setting<T>) {
        self.0.remove(setting.setter);
    }

    /// The value given to the setter of a setting.
    ///
    /// `None` if the setter was not called.
    pub(super) fn get<T: Clone>(&self, setting: &Setting<T>) -> Option<T> {
        self.0.get(setting.setter)?.value.downcast_ref().cloned()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(setter, value)| (setter, &value.shown));
        f.debug_map().entries(shown).finish()
    }
}
