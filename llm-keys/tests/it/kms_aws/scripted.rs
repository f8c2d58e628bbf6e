//! Answers that no server gives on demand.
