//! From variables to keys: by what a variable is called, or by what its value looks like.

use llm_keys::{ApiKey, KeyName, Owner, Service, Tenant};

use super::dotenv;
use super::found::{About, Found, Row};
use super::source::without_mark;
use crate::failure::{Failure, Result};
use crate::known::{self, Meaning};
use crate::run::KeyReference;

/// The keys in the `.env` file `text`, for `owner`. `map` says which variable is which key, whatever
/// it looks like.
///
/// # Errors
/// `Usage` if `map` makes no sense.
pub(crate) fn recognise(
    text: &[u8],
    map: &[String],
    owner: &Owner,
    tenant: &Tenant,
) -> Result<Found> {
    let map = mapped(map)?;
    let (variables, bad) = dotenv::parse(without_mark(text));
    if let Some((name, _)) = map.iter().find(|(name, _)| variables.iter().all(|v| v.name != *name))
    {
        return Err(Failure::usage(format!(
            "the file has no variable {name}, which `--map` names"
        )));
    }
    let mut found = Found::default();
    for (line, reason) in bad {
        found.bad(line, "", reason);
    }
    for variable in variables {
        let (line, name) = (variable.line, variable.name);
        let forced = map.iter().find(|(mapped, _)| *mapped == name).map(|(_, to)| to.clone());
        let meaning = known::meaning_of(&name);
        let wanted = forced.is_some() || meaning.is_some();
        let key = match variable.value {
            Ok(value) if value.is_empty() => {
                found.skip(line, &name, "it is empty");
                continue;
            }
            Ok(value) => ApiKey::new(value.to_vec()),
            Err(reason) => Err(llm_keys::Error::invalid("cli.import", reason)),
        };
        let key = match key {
            Ok(key) => key,
            Err(error) if wanted => {
                found.bad(line, &name, error.to_string());
                continue;
            }
            Err(_) => {
                found.skip(line, &name, UNKNOWN);
                continue;
            }
        };
        match what(forced, meaning, &name, &key) {
            Ok((reference, why)) => {
                let id = reference.of(owner.clone(), tenant.clone());
                found.rows.push(Row {
                    line,
                    variable: name,
                    id,
                    key,
                    why,
                    about: About::default(),
                });
            }
            Err(reason) => found.skip(line, &name, reason),
        }
    }
    found.one_for_each_key();
    Ok(found)
}

/// Which key it is, and why; or why it is none.
fn what(
    forced: Option<KeyReference>,
    meaning: Option<Meaning>,
    variable: &str,
    key: &ApiKey,
) -> Result<(KeyReference, String), String> {
    let looks = known::looks_like(key);
    if let Some(reference) = forced {
        return Ok((reference, "--map".to_owned()));
    }
    let (service, name, why) = match (meaning, looks) {
        (Some(Meaning::Part(service)), _) => {
            return Err(format!(
                "one part of a credential for {service}; `--map` stores it anyway"
            ));
        }
        (Some(Meaning::Key(service, name)), looks) => {
            let why = match looks {
                Some(other) if other != service => format!("variable, but looks like {other}"),
                Some(_) => "variable and looks".to_owned(),
                None => "variable".to_owned(),
            };
            (service, name, why)
        }
        (None, Some(service)) => (service, Some(variable.to_ascii_lowercase()), "looks".to_owned()),
        (None, None) => return Err(UNKNOWN.to_owned()),
    };
    let name = name.map_or(Ok(KeyName::default()), KeyName::new);
    let bad = |error: llm_keys::Error| format!("{error}; `--map` gives it another name");
    let service = Service::new(service).map_err(bad)?;
    Ok((KeyReference { service, name: name.map_err(bad)? }, why))
}

fn mapped(map: &[String]) -> Result<Vec<(String, KeyReference)>> {
    let mut mapped: Vec<(String, KeyReference)> = Vec::new();
    for text in map {
        let (name, reference) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage("`--map` is `VAR=SERVICE` or `VAR=SERVICE/NAME`"))?;
        if mapped.iter().any(|(other, _)| other == name) {
            return Err(Failure::usage("a variable is mapped twice"));
        }
        mapped.push((name.to_owned(), KeyReference::parse(reference)?));
    }
    Ok(mapped)
}

const UNKNOWN: &str = "not known as a key; `--map` stores it";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, map: &[&str]) -> Result<Found> {
        let map: Vec<_> = map.iter().map(|&text| text.to_owned()).collect();
        recognise(text.as_bytes(), &map, &Owner::Global, &Tenant::default())
    }

    fn ids(found: &Found) -> Vec<String> {
        let of = |row: &Row| format!("{}:{}/{} {}", row.line, row.id.service, row.id.name, row.why);
        found.rows.iter().map(of).collect()
    }

    #[test]
    fn names_win_over_looks_and_what_is_neither_is_passed_over() {
        let groq = format!("gsk_{}", "x".repeat(52));
        let text = format!(
            "\u{feff}OPENAI_API_KEY=sk-something\nMY_GROQ={groq}\nOPENAI_API_KEY_TEST={groq}\n\
             GROQ_API_KEY={groq}\nDEBUG=1\nAWS_SECRET_ACCESS_KEY=abc\nMISTRAL_API_KEY=\n"
        );
        let found = found(&text, &[]).unwrap();
        assert_eq!(
            ids(&found),
            [
                "1:openai/default variable",
                "2:groq/my_groq looks",
                "3:openai/test variable, but looks like groq",
                "4:groq/default variable and looks",
            ]
        );
        let skipped: Vec<_> = found.skipped.iter().map(|remark| remark.line).collect();
        assert_eq!(skipped, [5, 6, 7]);
        assert!(found.bad.is_empty());
    }

    #[test]
    fn a_map_forces() {
        let found = found("A=secret\nOPENAI_API_KEY=x", &["A=home", "OPENAI_API_KEY=azure/eu"]);
        assert_eq!(ids(&found.unwrap()), ["1:home/default --map", "2:azure/eu --map"]);
    }

    #[test]
    fn a_map_must_make_sense() {
        for map in [&["A"][..], &["B=x"], &["A=x", "A=y"], &["A=Not A Service"]] {
            assert!(found("A=1", map).is_err(), "{map:?}");
        }
    }

    #[test]
    fn two_values_for_one_key_are_bad_and_one_value_twice_is_not() {
        let both = found("GOOGLE_API_KEY=a\nGEMINI_API_KEY=b", &[]).unwrap();
        assert_eq!((both.rows.len(), both.bad.len()), (1, 1));
        let same = found("GOOGLE_API_KEY=a\nGEMINI_API_KEY=a", &[]).unwrap();
        assert_eq!((same.rows.len(), same.bad.len(), same.skipped.len()), (1, 0, 1));
    }

    #[test]
    fn a_known_variable_with_a_bad_value_is_bad_and_an_unknown_one_is_none_of_ours() {
        let found = found("OPENAI_API_KEY=$X\nPATH=$HOME/bin\nGROQ_API_KEY=a\0b", &[]).unwrap();
        let lines: Vec<_> = found.bad.iter().map(|remark| remark.line).collect();
        assert_eq!(lines, [1, 3]);
        assert_eq!(found.skipped.len(), 1);
    }
}
