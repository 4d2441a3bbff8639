//! Figures of the crates' own benches and of pages that tests compare with the code.

use std::fs;

use anyhow::{Context, Result, bail};

use super::cells::number;
use super::page;
use crate::workspace::Workspace;

/// Page of exact counts of the simulator.
const METRICS: &str = "docs/metrics-node.md";

/// Runs the benches. A figure that cannot be had has its reason instead of a value.
pub(crate) fn run(ws: &Workspace) -> Vec<(String, String)> {
    let figures: [(&str, Result<String>); 6] = [
        ("5: bytes of a changed entry, sealed (`size_table` compares it)", entry_bytes(ws)),
        (
            "7: anti-entropy of 100,000 members, d differ (`sim --node --metrics --check` compares it)",
            differences(ws),
        ),
        ("8: open, decode and merge, per item, `ring`", per_item(ws, "open_decode_merge")),
        ("9: encode and seal, per item, `ring`", per_item(ws, "encode_seal")),
        ("merge of 100,000 items of which 1 % differ", merge(ws)),
        ("10: bytes of a live item, record and index, 1,000 members x 1,000 items", memory(ws)),
    ];
    let text = |value: Result<String>| {
        value.unwrap_or_else(|error| format!("not measured: {error:#}").replace('|', "/"))
    };
    figures.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

fn entry_bytes(ws: &Workspace) -> Result<String> {
    let page = read(ws, page::PAGE)?;
    let rows = ["one changed item", "16 clustered", "128 clustered", "100 random"];
    let sizes: Result<Vec<String>> = rows
        .iter()
        .map(|row| {
            // The table of encodings, not the one of goals: its first column has an item's share.
            let cells = table_rows(&page, row).into_iter().find(|cells| cells[1].contains('('));
            let cells = cells.with_context(|| format!("{} has no row `{row}`", page::PAGE))?;
            Ok(format!("{row}: {}", cells[1]))
        })
        .collect();
    Ok(sizes?.join("; "))
}

fn differences(ws: &Workspace) -> Result<String> {
    let page = read(ws, METRICS)?;
    let (_, section) = page.split_once("## Anti-entropy, 100,000").context("the section is missing")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let cost = |d: &str| {
        let cells =
            table_rows(section, d).into_iter().next().with_context(|| format!("no row for d = {d}"))?;
        let bytes = cells.get(3).context("a row is too short")?;
        Ok(format!("d = {d}: {bytes} bytes a difference"))
    };
    let costs: Result<Vec<String>> = ["10", "100", "1000"].into_iter().map(cost).collect();
    Ok(costs?.join("; "))
}

fn read(ws: &Workspace, path: &str) -> Result<String> {
    fs::read_to_string(ws.root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Rows of tables in Markdown with this first cell.
fn table_rows<'a>(text: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.filter(|cells| cells.len() > 1 && cells[0] == first).collect()
}

fn per_item(ws: &Workspace, what: &str) -> Result<String> {
    let output = bench(ws, "-p gm-codec --features ring --bench payloads", &[&format!("payloads/{what}/")])?;
    let each = |items: u32| {
        let ns = nanoseconds(&output, &format!("payloads/{what}/{items}"))?;
        let noun = if items == 1 { "item" } else { "items" };
        Ok(format!("{items} {noun}: {} ns", number(ns / f64::from(items))))
    };
    let texts: Result<Vec<String>> = [1, 16, 128, 1_000].into_iter().map(each).collect();
    Ok(texts?.join("; "))
}

fn merge(ws: &Workspace) -> Result<String> {
    let rows = [
        ("whole_from_parts", "whole records from plain items"),
        ("increments", "increments"),
        ("btree_whole", "a `BTreeMap` merged by hand"),
    ];
    let filter = "merge_one_percent/(whole_from_parts|increments|btree_whole)/100000";
    let output = bench(ws, "-p gm-data --bench merge", &[filter])?;
    let time = |(row, name): (&str, &str)| {
        let ns = nanoseconds(&output, &format!("merge_one_percent/{row}/100000"))?;
        Ok(format!("{name}: {} µs", number(ns / 1e3)))
    };
    let texts: Result<Vec<String>> = rows.into_iter().map(time).collect();
    Ok(texts?.join("; "))
}

fn memory(ws: &Workspace) -> Result<String> {
    let output = bench(ws, "-p gm-data --bench memory", &[])?;
    let row = |name: &str| {
        let line = output.lines().find(|line| line.starts_with(name));
        let bytes = line.and_then(|line| line.split_whitespace().rev().nth(1));
        bytes.map(str::to_owned).with_context(|| format!("the bench printed no row `{name}`"))
    };
    let (ours, map) =
        (row("1000 x 1000, at once, with its index")?, row("HashMap, by insertions in random order")?);
    Ok(format!("{ours}; a `HashMap` without index: {map}"))
}

/// Output of benches.
fn bench(ws: &Workspace, which: &str, args: &[&str]) -> Result<String> {
    println!("bench {which} {}", args.join(" "));
    let mut command = ws.cargo("bench --quiet");
    let output = command.args(which.split_whitespace()).arg("--").args(args).output();
    let output = output.context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the bench failed");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Middle estimate of criterion for a row. Long names stand on a line of their own.
fn nanoseconds(output: &str, row: &str) -> Result<f64> {
    let mut words = output.split_whitespace().skip_while(|word| *word != row);
    let missing = || format!("the bench printed no time of `{row}`");
    words.next().with_context(missing)?;
    let mut time = words.skip_while(|word| *word != "time:").skip(1);
    // [low unit middle unit high unit]
    let (value, unit) = (time.nth(2).with_context(missing)?, time.next().with_context(missing)?);
    let factor = match unit {
        "ps" => 1e-3,
        "ns" => 1.0,
        "µs" | "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        other => bail!("a time of `{row}` has the unit `{other}`"),
    };
    Ok(value.parse::<f64>().with_context(missing)? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_criterion_are_read() {
        let output = "payloads/decode/16      time:   [410.1 ns 415.5 ns 420.0 ns]\n\
                      thrpt: [x]\n\
                      merge_one_percent/whole_from_parts/100000\n                 time:   [1.20 ms 1.26 ms 1.3 ms]\n\
                      change: [-1% +0% +1%]\nshort  time: [1 µs 2 µs 3 µs]\n";
        let ns = |row| nanoseconds(output, row).map(number).map_err(|error| error.to_string());
        assert_eq!(ns("payloads/decode/16").as_deref(), Ok("416"));
        assert_eq!(ns("merge_one_percent/whole_from_parts/100000").as_deref(), Ok("1,260,000"));
        assert_eq!(ns("short").as_deref(), Ok("2,000"));
        assert!(ns("payloads/decode/1").is_err());
    }

    #[test]
    fn rows_of_pages_are_found_by_their_first_cell() {
        let text = "| a | b |\n|---|---|\n| one | 1 |\n| two | 2 |\n| one | (3) |\n";
        assert_eq!(table_rows(text, "one"), [vec!["one", "1"], vec!["one", "(3)"]]);
        assert!(table_rows(text, "three").is_empty());
    }

    #[test]
    fn the_pages_have_the_rows() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let page = fs::read_to_string(root.join(page::PAGE)).expect("it is there");
        assert!(table_rows(&page, "128 clustered").iter().any(|cells| cells[1].contains('(')));
        let metrics = fs::read_to_string(root.join(METRICS)).expect("it is there");
        assert!(!table_rows(&metrics, "1000").is_empty());
    }
}
