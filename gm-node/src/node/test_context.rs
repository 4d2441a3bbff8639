//! Context for tests.
