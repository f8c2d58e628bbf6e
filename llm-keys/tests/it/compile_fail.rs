//! CR9: what must not compile. The messages are those of the toolchain that CI uses; to accept
//! new ones, run with `TRYBUILD=overwrite` and read the difference.

#[test]
fn secrets_offer_nothing_but_expose() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
