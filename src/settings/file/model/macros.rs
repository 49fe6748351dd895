//! Declares the types of the schema.
//!
//! Each macro generates the type, its [`Read`](super::Read), and, in tests, its shape: three forms of one declaration,
//! which cannot drift apart.
//!
//! The names of fields are the keys of the schema; `field["key"]` gives the key of one that has a stability suffix or
//! is a keyword of Rust.
//!
//! | macro | declares | the node must be |
//! |---|---|---|
//! | [`object`] | a mapping with fixed keys | a mapping |
//! | [`component`] | a choice between named components | a mapping with exactly one key |
//! | [`choice`] | an enumeration | text |
//! | [`unsupported`] | a component that is refused with a reason | anything |
//!
//! For example, `choice! { Encoding = "OtlpHttpEncoding" { "protobuf" => Protobuf, "json" => Json, } }` generates `enum
//! Encoding`, which reads `encoding: json` as `Encoding::Json`, lists both words if it finds another, and whose shape
//! is `one of json, protobuf`.
//!
//! # What a declaration has
//!
//! | part | in the macro |
//! |---|---|
//! | documentation | in front of the name, the fields and the variants; `choice!` has none for its words |
//! | the name in the schema | after `=`; a test looks the type up by it |
//! | `null refused`, `null default` | for `object!`: whether the key alone stands for a mapping with all defaults |
//! | `open`, `closed` | for `component!`: whether the schema allows names of further components |
//! | `["key"]` | for fields whose key is no identifier of Rust |
//!
//! All declared types are `Clone`, `Debug` and `PartialEq`, and visible in `settings::file` alone. Secrets have types
//! whose `Debug` shows nothing, so that `Debug` of a model is safe to print in a test.

/// Declares a mapping with fixed keys:
/// `Name = "SchemaName", null refused|default { field: Type, field["other/key"]: Type, }`.
///
/// A field of type `Option<T>` is optional, any other is required. Each mapping knows its place: `at`.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $name:ident = $schema:literal, null $null:ident {
            $($(#[$field_doc:meta])* $field:ident $([$key:literal])?: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::settings::file) struct $name {
            /// The place of the mapping in the file, for mistakes that are found after reading.
            pub(in crate::settings::file) at: $crate::settings::file::model::At,
            $($(#[$field_doc])* pub(in crate::settings::file) $field: $type,)*
        }

        impl $crate::settings::file::model::Read for $name {
            fn read(
                node: &$crate::settings::file::yaml::Node,
                reader: &mut $crate::settings::file::model::Reader,
            ) -> Option<Self> {
                let known = [$($crate::settings::file::model::macros::key!($field $($key)?)),*];
                let entries = reader.known_keys(node, &known)?;
                let at = reader.at(node);
                let _ = entries;
                $(
                    let $field = reader.property::<$type>(
                        node,
                        entries,
                        $crate::settings::file::model::macros::key!($field $($key)?),
                    );
                )*
                Some(Self { at, $($field: $field?,)* })
            }

            $crate::settings::file::model::macros::null!($null);

            #[cfg(test)]
            fn shape(shapes: &mut $crate::settings::file::model::shape::Shapes) -> String {
                shapes.object($schema, stringify!($null) == "default", |shapes| {
                    let _ = &shapes;
                    vec![$((
                        $crate::settings::file::model::macros::key!($field $($key)?),
                        <$type as $crate::settings::file::model::Property>::IS_REQUIRED,
                        <$type as $crate::settings::file::model::Property>::property_shape(shapes),
                    )),*]
                })
            }
        }
    };
}

/// The key of a field: its name, unless another one is given.
///
/// In patterns of `object!` the key is repeated in three places: the list of known keys, the call that reads, and the
/// shape.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// What null stands for: nothing that is allowed, or the mapping without keys.
///
/// `refused` leaves the default of [`Read::null`](super::Read::null) in place; `default` returns
/// [`Null::Empty`](super::Null::Empty).
macro_rules! null {
    (refused) => {};
    (default) => {
        fn null() -> $crate::settings::file::model::Null {
            $crate::settings::file::model::Null::Empty
        }
    };
}

/// Declares a choice between components, of which a mapping names exactly one:
/// `Name = "SchemaName", open|closed { "key" => Variant(Type), … }`.
///
/// `open`: the schema allows names of further components, of which this crate has none.
///
/// The value of the key is read as a required property: null is allowed if the component's type allows it. An unknown
/// key is a mistake with a suggestion, also in a file of a newer minor version, because a processor without its
/// exporter could not be used.
macro_rules! component {
    (
        $(#[$doc:meta])*
        $name:ident = $schema:literal, $open:ident {
            $($(#[$variant_doc:meta])* $key:literal => $variant:ident($type:ty),)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::settings::file) enum $name {
            $($(#[$variant_doc])* $variant($type),)*
        }

        impl $crate::settings::file::model::Read for $name {
            fn read(
                node: &$crate::settings::file::yaml::Node,
                reader: &mut $crate::settings::file::model::Reader,
            ) -> Option<Self> {
                use $crate::settings::file::model::Property;
                let known = [$($key),*];
                let entry = reader.only_entry(node, &known)?;
                match entry.key.as_str() {
                    $($key => {
                        let read = |reader: &mut _| <$type as Property>::read_property(&entry.value, reader);
                        reader.below($key, read).map(Self::$variant)
                    })*
                    other => {
                        let reason = $crate::settings::file::model::unknown_key(other, &known);
                        reader.mistake(entry.key_at, reason);
                        None
                    }
                }
            }

            #[cfg(test)]
            fn shape(shapes: &mut $crate::settings::file::model::shape::Shapes) -> String {
                use $crate::settings::file::model::Property;
                shapes.component($schema, stringify!($open) == "open", |shapes| {
                    vec![$(($key, <$type as Property>::property_shape(shapes))),*]
                })
            }
        }
    };
}

/// Declares an enumeration: `Name = "SchemaName" { "text" => Variant, … }`.
///
/// Reading compares whole words, and upper case is not accepted. Null counts as absent. The message for any other value
/// lists the words in the order of the declaration.
macro_rules! choice {
    (
        $(#[$doc:meta])*
        $name:ident = $schema:literal { $($text:literal => $variant:ident,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::settings::file) enum $name {
            $($variant,)*
        }

        impl $crate::settings::file::model::Read for $name {
            fn read(
                node: &$crate::settings::file::yaml::Node,
                reader: &mut $crate::settings::file::model::Reader,
            ) -> Option<Self> {
                match $crate::settings::file::model::text_of(node) {
                    $(Some($text) => Some(Self::$variant),)*
                    _ => reader.unexpected(node, $crate::settings::file::model::one_of(&[$($text),*])),
                }
            }

            fn null() -> $crate::settings::file::model::Null {
                $crate::settings::file::model::Null::Absent
            }

            #[cfg(test)]
            fn shape(shapes: &mut $crate::settings::file::model::shape::Shapes) -> String {
                shapes.choice($schema, &[$($text),*])
            }
        }
    };
}

/// Declares a component of the schema that this crate cannot serve; naming it is a mistake that gives the reason.
///
/// The type has no values, so that the compiler knows that no code follows. `$reason` is the end of `not supported: …`
/// and names what to use instead. Null is refused with the same reason: the mistake is to name the component at all.
macro_rules! unsupported {
    ($($(#[$doc:meta])* $name:ident = $schema:literal: $reason:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub(in crate::settings::file) enum $name {}

            impl $crate::settings::file::model::Read for $name {
                fn read(
                    node: &$crate::settings::file::yaml::Node,
                    reader: &mut $crate::settings::file::model::Reader,
                ) -> Option<Self> {
                    reader.mistake(node.at, format!("not supported: {}", $reason));
                    None
                }

                fn null() -> $crate::settings::file::model::Null {
                    $crate::settings::file::model::Null::Read
                }

                #[cfg(test)]
                fn shape(_: &mut $crate::settings::file::model::shape::Shapes) -> String {
                    $schema.to_owned()
                }
            }
        )*
    };
}

pub(super) use {choice, component, key, null, object, unsupported};
