//! Comma-separated values, in buffers of ours: `csv-core` copies nothing elsewhere.

use csv_core::{ReadRecordResult, Reader};
use llm_keys::Labels;
use zeroize::Zeroizing;

use super::fields::{Defaults, Draft, Fields, Refusal};
use super::found::Found;
use super::source::without_mark;
use crate::failure::{Failure, Result};

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Service,
    Secret,
    User,
    Team,
    Owner,
    Name,
    Tenant,
    ExpiresAt,
    Labels,
    Template,
    RotateEveryDays,
    Active,
    Ignored,
}

/// The rows of `text`, whose first line names the columns; what is bad goes to `found`.
///
/// # Errors
/// `Usage` if the first line does not name columns that are known, or names one twice.
pub(crate) fn read(text: &[u8], defaults: &Defaults, found: &mut Found) -> Result<Vec<Draft>> {
    let mut records = Records::of(without_mark(text));
    let Some(header) = records.next() else {
        return Err(Failure::usage("the file is empty: its first line names the columns"));
    };
    let columns = columns(&header, defaults.ignore_unknown)?;
    let mut drafts = Vec::new();
    for record in records {
        let line = record.line;
        let draft = fields(&record, &columns).and_then(|fields| fields.check(line, defaults));
        match draft {
            Ok(draft) => drafts.push(draft),
            Err(Refusal::Bad(reason)) => found.bad(line, "", reason),
            Err(Refusal::Skip(reason)) => found.skip(line, "", reason),
        }
    }
    Ok(drafts)
}

/// Names are not repeated in errors: without its first line a file would show a key there.
fn columns(header: &Record, ignore_unknown: bool) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    for (at, name) in header.cells().enumerate() {
        let name = std::str::from_utf8(name).unwrap_or_default().trim().to_ascii_lowercase();
        let column = match name.as_str() {
            "service" | "service_name" | "service_type" => Column::Service,
            "key" | "api_key" | "value" | "ciphertext" | "encrypted_key" | "encrypted_data" => {
                Column::Secret
            }
            "user_id" | "user" => Column::User,
            "team_id" | "team" => Column::Team,
            "owner" => Column::Owner,
            "name" => Column::Name,
            "tenant" => Column::Tenant,
            "expires_at" => Column::ExpiresAt,
            "labels" => Column::Labels,
            "template" => Column::Template,
            "rotate_every_days" => Column::RotateEveryDays,
            "is_active" | "active" => Column::Active,
            "id" | "created_at" | "updated_at" | "last_used" | "last_used_at" => Column::Ignored,
            _ if ignore_unknown => Column::Ignored,
            _ => {
                return Err(Failure::usage(format!(
                    "the first line of the file does not name column {} as one that is known",
                    at + 1
                ))
                .with_hint("`--ignore-unknown` passes over columns that are not known"));
            }
        };
        if column != Column::Ignored && columns.contains(&column) {
            let place = at + 1;
            return Err(Failure::usage(format!("column {place} is there twice")));
        }
        columns.push(column);
    }
    if !columns.contains(&Column::Secret) {
        return Err(Failure::usage("no column of the file is called `key` or `ciphertext`"));
    }
    Ok(columns)
}

fn fields(record: &Record, columns: &[Column]) -> Result<Fields, Refusal> {
    let bad = |reason: String| Err(Refusal::Bad(reason));
    if record.open_quote {
        return bad("a quote is not closed".to_owned());
    }
    if record.ends.len() != columns.len() {
        let (count, expected) = (record.ends.len(), columns.len());
        return bad(format!("it has {count} columns, and not {expected}"));
    }
    let mut fields = Fields::default();
    for (cell, column) in record.cells().zip(columns) {
        if cell.is_empty() || *column == Column::Ignored {
            continue;
        }
        if *column == Column::Secret {
            fields.secret = Some(Zeroizing::new(cell.to_vec()));
            continue;
        }
        let Ok(text) = std::str::from_utf8(cell) else {
            return bad(format!("the column {column:?} is not UTF-8 text"));
        };
        let said = || Some(text.to_owned());
        match column {
            Column::Service => fields.service = said(),
            Column::User => fields.user = said(),
            Column::Team => fields.team = said(),
            Column::Owner => fields.owner = said(),
            Column::Name => fields.name = said(),
            Column::Tenant => fields.tenant = said(),
            Column::ExpiresAt => fields.expires_at = said(),
            Column::Template => fields.template = said(),
            Column::Labels => fields.labels = Some(labels(text)?),
            Column::RotateEveryDays => match text.parse() {
                Ok(days) => fields.rotate_every_days = Some(days),
                Err(_) => return bad("the days are no whole number".to_owned()),
            },
            Column::Active => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" | "yes" => fields.active = Some(true),
                "false" | "f" | "0" | "no" => fields.active = Some(false),
                _ => return bad("whether it is active is neither `true` nor `false`".to_owned()),
            },
            Column::Secret | Column::Ignored => {}
        }
    }
    Ok(fields)
}

/// `env=prod;owner/team=x`.
fn labels(text: &str) -> Result<Labels, Refusal> {
    let mut labels = Labels::default();
    for pair in text.split(';').filter(|pair| !pair.trim().is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Refusal::Bad("labels are `key=value;key=value`".to_owned()));
        };
        labels.insert(key.trim(), value.trim())?;
    }
    Ok(labels)
}

/// One record, and where it begins.
struct Record {
    line: u64,
    text: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
    open_quote: bool,
}

impl Record {
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end])
    }
}

struct Records<'a> {
    reader: Reader,
    rest: &'a [u8],
    line: u64,
}

impl<'a> Records<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { reader: Reader::new(), rest: text, line: 1 }
    }

    fn skip(&mut self, len: usize) {
        let (passed, rest) = self.rest.split_at(len);
        self.line += passed.iter().filter(|&&b| b == b'\n').count() as u64;
        self.rest = rest;
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let blank = self.rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.skip(blank);
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let all = self.rest;
        let mut text = Zeroizing::new(vec![0; 1024]);
        let mut ends = vec![0; 16];
        let (mut read, mut written, mut cells) = (0, 0, 0);
        loop {
            let (result, consumed, out, ended) =
                self.reader.read_record(&all[read..], &mut text[written..], &mut ends[cells..]);
            (read, written, cells) = (read + consumed, written + out, cells + ended);
            match result {
                // The next call has no input, which is how the reader learns that it ends.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    let mut larger = Zeroizing::new(vec![0; text.len() * 2]);
                    larger[..written].copy_from_slice(&text[..written]);
                    text = larger;
                }
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        ends.truncate(cells);
        let quotes = all[..read].iter().filter(|&&b| b == b'"').count();
        self.skip(read);
        (cells > 0).then_some(Record { line, text, ends, open_quote: quotes % 2 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use llm_keys::{Micros, Owner, Tenant};

    use super::*;

    fn defaults() -> Defaults {
        let (owner, tenant) = (Owner::Global, Tenant::default());
        Defaults { owner, tenant, global_user_id: None, ignore_unknown: false, now: Micros(0) }
    }

    /// The lines of good rows, and those of bad ones with the reason.
    type Lines = (Vec<u64>, Vec<(u64, String)>);

    fn read_all(text: &[u8]) -> Result<Lines> {
        let mut found = Found::default();
        let drafts = read(text, &defaults(), &mut found)?;
        let bad = found.bad.into_iter().map(|remark| (remark.line, remark.reason)).collect();
        Ok((drafts.iter().map(|draft| draft.line).collect(), bad))
    }

    fn lines(text: &[u8]) -> (Vec<u64>, Vec<u64>) {
        let (good, bad) = read_all(text).unwrap();
        (good, bad.into_iter().map(|(line, _)| line).collect())
    }

    #[test]
    fn lines_are_counted_through_quotes_blanks_and_line_ends() {
        assert_eq!(lines(b"service,key\na,1\nb,2"), (vec![2, 3], vec![]));
        assert_eq!(lines(b"\xef\xbb\xbfservice,key\r\na,1\r\n\r\nb,2\r\n"), (vec![2, 4], vec![]));
        assert_eq!(lines(b"\n\nservice,key\na,\"1\n2\"\nb,2\n"), (vec![4, 6], vec![]));
        assert_eq!(lines(b"service,key\na\nb,2\nc,3,4\n"), (vec![3], vec![2, 4]));
    }

    #[test]
    fn a_quote_that_is_not_closed_is_bad_from_where_it_opens() {
        assert_eq!(lines(b"service,key\na,1\nb,\"2\nc,3\n"), (vec![2], vec![3]));
        assert_eq!(lines(b"service,key\na,\"say \"\"hi\"\"\"\n"), (vec![2], vec![]));
    }

    #[test]
    fn columns_are_known_once_and_have_a_key() {
        for text in
            ["", "service\n", "service,key,key\n", "service,key,api_key\n", "a,b\n", "\u{0},key\n"]
        {
            let failure = read_all(text.as_bytes()).unwrap_err();
            assert!(matches!(failure, Failure::Usage { .. }), "{text:?}");
        }
        let failure = read_all(b"sk-secret,openai\n").unwrap_err();
        assert!(!format!("{failure:?}").contains("sk-secret"));
        assert!(read_all(b"ID, Service ,KEY,id,created_at\n1,a,b,2,3\n").is_ok());
    }

    #[test]
    fn hostile_rows_are_bad_and_their_bytes_are_not_repeated() {
        let long = "x".repeat(10 << 20);
        let text = format!(
            "service,key,labels,rotate_every_days,is_active\n{long},k,,,\na,{long},,,\n\
                            a,k,{long},,\na,k,,-1,\na,k,,,maybe\n\u{0},k,,,\na,k,a=1,30,t\n"
        );
        let (good, bad) = read_all(text.as_bytes()).unwrap();
        // A key that is too long is seen when it is made.
        assert_eq!(good, [3, 8]);
        assert_eq!(bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4, 5, 6, 7]);
        assert!(bad.iter().all(|(_, reason)| reason.len() < 200 && !reason.contains("xxxx")));
        let (good, bad) = lines(b"service,key\n\xff,1\na,\xff\n");
        assert_eq!((good, bad), (vec![3], vec![2]));
    }
}
