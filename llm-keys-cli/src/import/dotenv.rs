//! The lines of a `.env` file. Values are taken as they stand: nothing is expanded, neither from
//! the file nor from this process's environment, which is why no crate reads them (`dotenvy` does
//! expand, from both).

use zeroize::Zeroizing;

/// A variable, and where it begins.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) value: Result<Zeroizing<Vec<u8>>, &'static str>,
}

/// All variables of `text`, in their order, and the lines that are none.
pub(super) fn parse(text: &[u8]) -> (Vec<Variable>, Vec<(u64, &'static str)>) {
    let (mut variables, mut bad) = (Vec::new(), Vec::new());
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let at = line;
        let (statement, after) = match split(rest) {
            Some(parts) => parts,
            None => {
                let (first, after) = first_line(rest);
                bad.push((at, "a quote is not closed"));
                (&first[..0], after)
            }
        };
        line += rest[..rest.len() - after.len()].iter().filter(|&&b| b == b'\n').count() as u64;
        rest = after;
        match assignment(statement) {
            Ok(Some((name, value))) => variables.push(Variable { line: at, name, value }),
            Ok(None) => {}
            Err(reason) => bad.push((at, reason)),
        }
    }
    (variables, bad)
}

/// The first statement, which quotes may carry over several lines, and what comes after it. `None`
/// if a quote is not closed.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, after) = first_line(text);
    let Some(quote) = opening_quote(line) else { return Some((line, after)) };
    let from = quote + 1;
    let close = closing_quote(text, from, text[quote])?;
    let (rest, after) = first_line(&text[close..]);
    Some((&text[..close + rest.len()], after))
}

fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&b| b == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[]),
    }
}

/// Where the value's quote is, if the value begins with one.
fn opening_quote(line: &[u8]) -> Option<usize> {
    if line.trim_ascii_start().starts_with(b"#") {
        return None;
    }
    let equals = line.iter().position(|&b| b == b'=')?;
    let value = equals + 1;
    let blank = line[value..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let at = value + blank;
    matches!(line.get(at), Some(b'"' | b'\'')).then_some(at)
}

fn closing_quote(text: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut at = from;
    while let Some(&b) = text.get(at) {
        match b {
            b'\\' if quote == b'"' => at += 1,
            b if b == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

type Value = Result<Zeroizing<Vec<u8>>, &'static str>;

fn assignment(statement: &[u8]) -> Result<Option<(String, Value)>, &'static str> {
    let statement = statement.trim_ascii();
    if statement.is_empty() || statement.starts_with(b"#") {
        return Ok(None);
    }
    let exported = statement.strip_prefix(b"export ").map(<[u8]>::trim_ascii_start);
    let body = exported.unwrap_or(statement);
    let Some(equals) = body.iter().position(|&b| b == b'=') else {
        // `export NAME` passes on what is set elsewhere.
        return if exported.is_some() { Ok(None) } else { Err("it is not NAME=VALUE") };
    };
    let name = body[..equals].trim_ascii();
    let fine = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let name = match std::str::from_utf8(name) {
        Ok(text) if !text.is_empty() && text.len() <= 128 && name.iter().all(fine) => text,
        _ => return Err("the name of the variable is not made of A-Z a-z 0-9 _ . -"),
    };
    Ok(Some((name.to_owned(), value(body[equals + 1..].trim_ascii()))))
}

fn value(text: &[u8]) -> Value {
    let (body, rest) = match text.first() {
        Some(&quote @ (b'"' | b'\'')) => {
            let close = closing_quote(text, 1, quote).ok_or("a quote is not closed")?;
            (&text[1..close], text[close + 1..].trim_ascii_start())
        }
        _ => {
            let comment = text.windows(2).position(|pair| matches!(pair, [b' ' | b'\t', b'#']));
            let body =
                if text.starts_with(b"#") { &[] } else { &text[..comment.unwrap_or(text.len())] };
            (body.trim_ascii_end(), &[][..])
        }
    };
    if !rest.is_empty() && !rest.starts_with(b"#") {
        return Err("something follows the closing quote");
    }
    match text.first() {
        Some(b'\'') => Ok(Zeroizing::new(body.to_vec())),
        Some(b'"') => unescape(body),
        _ if expands(body) => Err(EXPANDS),
        _ => Ok(Zeroizing::new(body.to_vec())),
    }
}

/// Whether a shell would put something else here.
fn expands(body: &[u8]) -> bool {
    let starts = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'{' | b'(');
    body.windows(2).any(|pair| pair[0] == b'$' && starts(pair[1]))
}

fn unescape(body: &[u8]) -> Value {
    // Never longer than it was, so that it does not grow.
    let mut value = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut bytes = body.iter().copied().enumerate();
    while let Some((at, b)) = bytes.next() {
        match b {
            b'\\' => match bytes.next().map(|(_, escaped)| escaped) {
                Some(b'n') => value.push(b'\n'),
                Some(b'r') => value.push(b'\r'),
                Some(b't') => value.push(b'\t'),
                Some(plain @ (b'\\' | b'"' | b'\'' | b'$' | b'`' | b'\n')) => value.push(plain),
                _ => return Err("an escape that is none: in double quotes, `\\` is written twice"),
            },
            b'$' if expands(&body[at..(at + 2).min(body.len())]) => return Err(EXPANDS),
            b => value.push(b),
        }
    }
    Ok(value)
}

const EXPANDS: &str = "the value refers to another variable; if the `$` is part of the key, put the \
                       value in single quotes";

#[cfg(test)]
mod tests {
    use super::*;

    /// `line:name=value`, and `line:!` for what is bad.
    fn read(text: &str) -> Vec<String> {
        let (variables, bad) = parse(text.as_bytes());
        let variables = variables.into_iter().map(|Variable { line, name, value }| match value {
            Ok(value) => format!("{line}:{name}={}", String::from_utf8_lossy(&value)),
            Err(_) => format!("{line}:{name}!"),
        });
        variables.chain(bad.into_iter().map(|(line, _)| format!("{line}:!"))).collect()
    }

    #[test]
    fn plain_values() {
        for (text, expected) in [
            ("A=1", "1:A=1"),
            ("A=1\r\n", "1:A=1"),
            ("  A = 1  ", "1:A=1"),
            ("export A=1", "1:A=1"),
            ("A=a=b==", "1:A=a=b=="),
            ("A=", "1:A="),
            ("A=1 # why", "1:A=1"),
            ("A=1#2", "1:A=1#2"),
            ("A=#1", "1:A="),
            ("A=a b", "1:A=a b"),
            ("A=50$", "1:A=50$"),
            ("A=$5", "1:A=$5"),
            ("# no\n\nA=it's", "3:A=it's"),
        ] {
            assert_eq!(read(text), [expected], "{text:?}");
        }
        assert!(read("# A=1\n\n  # B='\nexport C").is_empty());
    }

    #[test]
    fn quotes_hold_a_value_together() {
        for (text, expected) in [
            ("A=' 1 # 2 ' # 3", "1:A= 1 # 2 "),
            ("A=\" 1 # 2 \"", "1:A= 1 # 2 "),
            (r#"A="a\"b\\c\nd""#, "1:A=a\"b\\c\nd"),
            (r"A='a\n'", r"1:A=a\n"),
            ("A=''", "1:A="),
            ("A='1\n2'\n", "1:A=1\n2"),
            (r#"A="\$B""#, "1:A=$B"),
            ("A='$B'", "1:A=$B"),
        ] {
            assert_eq!(read(text), [expected], "{text:?}");
        }
        assert_eq!(read("A='1\n2'\nB=3"), ["1:A=1\n2", "3:B=3"]);
    }

    #[test]
    fn what_would_be_expanded_is_refused() {
        for text in ["A=$B", "A=x${B}", "A=$(cat x)", "A=\"$B\"", "A=\"x${B:-y}\""] {
            assert_eq!(read(text), ["1:A!"], "{text:?}");
        }
    }

    #[test]
    fn bad_lines_do_not_spoil_the_others() {
        assert_eq!(read("what\nA=1\n=2\nB C=3"), ["2:A=1", "1:!", "3:!", "4:!"]);
        assert_eq!(read("A='1\nB=2"), ["2:B=2", "1:!"]);
        assert_eq!(read("A='1'2\nB=2"), ["1:A!", "2:B=2"]);
        assert_eq!(read(r#"A="\q""#), ["1:A!"]);
    }

    #[test]
    fn any_bytes_are_taken() {
        let (variables, bad) = parse(b"A=\xff\xfe\0\nB\xff=1");
        assert_eq!(variables[0].value.as_ref().unwrap().as_slice(), b"\xff\xfe\0");
        assert_eq!(bad.len(), 1);
    }
}
