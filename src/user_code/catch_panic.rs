//! Panics of code that is not ours, kept from its callers: samplers, processors, callbacks, closures, `Debug` and
//! `Display` of the program.
//!
//! The panic hook has reported a panic before it is caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Returns `None` if `action` panics.
pub(crate) fn catch_panic<R>(action: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(action)).map_err(discard).ok()
}

/// Drops what a panic carries, which can panic again: what that panic carries is leaked.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::catch_panic;

    /// Panics with another one when it is dropped.
    struct Hostile(u32);

    impl Drop for Hostile {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Self(self.0 - 1));
            }
        }
    }

    #[test]
    fn panic_payload_may_panic_when_it_is_dropped() {
        for depth in 0..3 {
            assert_eq!(catch_panic(|| panic_any(Hostile(depth))), None::<()>);
        }
        assert_eq!(catch_panic(|| 1), Some(1));
    }
}
