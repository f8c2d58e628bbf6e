//! Clients made by Google, Microsoft and Amazon, with which the tests judge the fakes.

use crate::failure::Result;

use super::Started;
use super::place::Place;
use super::python::{Python, Wanted, program};

pub(super) const VARIABLE: &str = "LLM_KEYS_TEST_PYTHON";

pub(super) fn install(place: &Place) -> Result<Started> {
    let wanted = Wanted { name: "judges", lock: "judges.txt" };
    let environment = Python::any()?.environment(place, &wanted)?;
    Ok(Started {
        server: None,
        variables: vec![(VARIABLE, program(&environment, "python").into())],
    })
}
