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

/// Declares a mapping with fixed keys: `Name = "SchemaName", null: refused|default { field: Type, "other/key" as field: Type }`.
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
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// What null stands for: nothing that is allowed, or the mapping without keys.
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
