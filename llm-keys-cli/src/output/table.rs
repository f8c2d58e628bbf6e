//! Tables: keys, and what else has columns.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::view::KeyView;

/// A table without borders, so that `grep` and `cut` work on it; never wrapped.
pub(crate) fn of_keys(keys: &[KeyView<'_>]) -> String {
    of_rows(KeyView::COLUMNS, keys.iter().map(KeyView::cells))
}

/// The same of any rows.
pub(crate) fn of_rows<const N: usize>(
    columns: [&'static str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(columns);
    for row in rows {
        table.add_row(row);
    }
    text(&table)
}

/// The lines of `table` without padding at their ends.
pub(crate) fn text(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        // The padding of the first column and after the last one is for boxes.
        text.push_str(line.trim());
        text.push('\n');
    }
    text
}
