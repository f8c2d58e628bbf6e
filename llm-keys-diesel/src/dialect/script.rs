//! The statements of a migration.

/// Each ends with a semicolon at the end of a line.
pub(super) fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let all = text.split(";\n").map(|one| one.trim().trim_end_matches(';').to_owned());
    all.filter(|one| !one.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_cut_at_the_ends_of_its_statements() {
        let text = "-- A;\nCREATE TABLE a (\n  b INT -- x\n);\n\nINSERT INTO a VALUES (';x');\n";
        assert_eq!(
            statements(text),
            ["CREATE TABLE a (\n  b INT -- x\n)", "INSERT INTO a VALUES (';x')"]
        );
    }
}
