//! Conformance suites, fakes and mocks: for the tests of a backend or of an application.
