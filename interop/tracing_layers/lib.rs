//! The tests are all that is here.
