//! Tables of a run in Markdown. No row is left out; a cell without a number says why.

use super::cells::{SEE_ROW, Table, cell, greatest, median_of, number, quantile, smallest};
use super::machine::{ATTEMPTS, DISTURBED};
use super::measures::{added, all, missed, of, update_ms, updates};
use super::plan::{BIG_STATE, NODES_WITH_LOSS, Part, Size, System};
use super::ratios;
use super::results::{Attempt, Results};

/// The tables, as they stand between the markers of the page.
pub(crate) fn page(results: &Results) -> String {
    let sections = [
        heading(results),
        section("Join: all nodes at once, through one seed", "", &join(results)),
        section(
            "One update, until all nodes have it (ms), and what it adds",
            added_text(results),
            &update(results),
        ),
        section(
            "Idle, and memory",
            "Of each node, seconds after the join, before the first update.",
            &idle(results),
        ),
        section(
            &format!("Big state: {} nodes publish {} entries each at once", BIG_STATE.0, BIG_STATE.1),
            "memberlist has 25 entries of each node in its metadata, and serf as many as its tags have room for.",
            &big_state(results),
        ),
        section(
            &format!("Loss, {NODES_WITH_LOSS} nodes: one update, until all have it (ms)"),
            "Each receiving socket loses datagrams by itself, and TCP segments are lost as often.",
            &loss(results),
        ),
        section(
            "Growth: all nodes at once, through one seed",
            "CPU, packets and kB of the join, of each node.",
            &growth(results),
        ),
        section(
            "Ratios (below 1: gm is better)",
            "\"foca\" is the better of its two configurations, cell by cell; \"floor\" is that of the same kind.",
            &ratios::table(results),
        ),
        section(
            "From the crates' benches",
            "Figures 5 to 10 of the goals, as far as a bench measures them.",
            &benches(results),
        ),
    ];
    sections.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A table with its title; nothing for a table without rows, in a partial run.
fn section(title: &str, text: &str, table: &Table) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let text = if text.is_empty() { String::new() } else { format!("{text}\n\n") };
    format!("### {title}\n\n{text}{}", table.markdown())
}

/// Explanation of the cost of an update.
const fn added_text(results: &Results) -> &'static str {
    match results.size {
        Size::Quick => {
            "\"Added\" is what a window of 250 ms with an update has more than one without; what an update causes later, such\n\
             as anti-entropy, is not in it (`--full`: windows of 2 s). Its noise is half of the spread of windows without one."
        }
        Size::Full => {
            "\"Added\" is what a window of 2 s with an update has more than one without. Its noise is half of the spread of\n\
             windows without one."
        }
    }
}

/// The conditions of the run.
fn heading(results: &Results) -> String {
    let (runs, disturbed) = results.disturbed();
    let loads = results
        .loads()
        .map_or_else(|| "not known".to_owned(), |(low, high)| format!("{low:.2} to {high:.2}"));
    let share = DISTURBED * 100.0;
    let rest = match results.size {
        Size::Quick => "memberlist-rs, chitchat, serf and memberlist-go run with `--full` only.\n",
        Size::Full => "",
    };
    format!(
        "`cargo xtask beside {}`. Machine: {}. Load (of a minute) at the starts of the {runs} runs: {loads}.\n\
         In {disturbed} of them other processes had more than {share:.0} % of the machine, in each of up to {ATTEMPTS} attempts; rows with such a run\n\
         have an asterisk. A `{SEE_ROW}` has its reason in an earlier cell of the row.\n{rest}",
        results.size.flag(),
        results.machine,
    )
}

/// Name of a row, with an asterisk if a run was disturbed.
fn name(system: &System, attempts: &[&Attempt]) -> String {
    let mark = if attempts.iter().any(|attempt| attempt.is_disturbed()) { " \\*" } else { "" };
    format!("{}{mark}", system.name())
}

/// The reason why a row has no numbers.
fn why(attempts: &[&Attempt]) -> String {
    let reason = attempts.iter().find_map(|attempt| attempt.why.clone());
    reason.unwrap_or_else(|| if attempts.is_empty() { "not run" } else { "no result" }.to_owned())
}

/// The rows of a part: number of nodes, name, and the cells that `cells` makes. If it makes none,
/// the first cell has the reason.
fn table(
    results: &Results,
    part: Part,
    head: &[&str],
    cells: impl Fn(&[&Attempt]) -> Option<Vec<String>>,
) -> Table {
    let mut table = Table::new(head);
    for (n, system, attempts) in results.rows(part) {
        let mut row = vec![n.to_string(), name(&system, &attempts)];
        row.extend(cells(&attempts).unwrap_or_else(|| vec![why(&attempts)]));
        row.resize(head.len(), SEE_ROW.to_owned());
        table.rows.push(row);
    }
    table
}

/// Time of a join, or the reason why there is none.
fn join_time(attempts: &[&Attempt]) -> Option<String> {
    let line = attempts.iter().find_map(|attempt| attempt.line("join"))?;
    let times = all(attempts, "join", "ms");
    let limit = line.number("limit_s").map_or_else(String::new, |limit| format!(" in {limit:.0} s"));
    let full = of(attempts, "join", "full_nodes").unwrap_or_default();
    Some(median_of(&times).unwrap_or_else(|| format!("not{limit}; {full:.0} nodes list all")))
}

fn join(results: &Results) -> Table {
    let head = ["N", "system", "ms: median (range)", "runs", "kB", "packets", "CPU ms"];
    table(results, Part::Join, &head, |attempts| {
        let of_join = |field: &str, unit: f64| cell(of(attempts, "join", field).map(|value| value / unit));
        let complete = format!("{} of {}", all(attempts, "join", "ms").len(), attempts.len());
        let numbers = [of_join("bytes", 1e3), of_join("packets", 1.0), of_join("cpu_s", 1e-3)];
        Some([vec![join_time(attempts)?, complete], numbers.to_vec()].concat())
    })
}

/// Quantiles of the times of updates; the first cell says why there are none.
fn times(attempts: &[&Attempt], percent: f64, shares: &[f64]) -> Option<Vec<String>> {
    let lines = updates(attempts, percent);
    let line = lines.first()?;
    let times = update_ms(attempts, percent);
    let limit = line.number("limit_s").unwrap_or_default();
    let mut cells = vec![(times.len() + missed(attempts, percent)).to_string()];
    let none = || vec![format!("no update reached all in {limit:.0} s")];
    let numbers = || shares.iter().map(|&share| cell(quantile(&times, share))).collect();
    cells.extend(if times.is_empty() { none() } else { numbers() });
    cells.resize(1 + shares.len(), SEE_ROW.to_owned());
    cells.push(missed(attempts, percent).to_string());
    Some(cells)
}

/// Cost that an update adds, divided by a unit.
fn added_cell(attempts: &[&Attempt], what: &str, unit: f64) -> String {
    match added(attempts, what) {
        None => "not measured".to_owned(),
        Some(added) if added.is_noise() => format!("below the noise of {}", number(added.noise / unit)),
        Some(added) => number(added.value / unit),
    }
}

fn update(results: &Results) -> Table {
    let head = [
        "N",
        "system",
        "updates",
        "min",
        "p10",
        "median",
        "p90",
        "p99",
        "worst",
        "missed",
        "one node, p50",
        "kB until all",
        "kB added",
        "packets added",
        "CPU ms added",
    ];
    table(results, Part::Update, &head, |attempts| {
        let mut cells = times(attempts, 0.0, &[0.0, 0.1, 0.5, 0.9, 0.99, 1.0])?;
        cells.push(cell(of(attempts, "update", "node_p50")));
        let until_all = of(attempts, "update", "bytes_until_all_med");
        cells.push(until_all.map_or_else(|| "not measured".to_owned(), |bytes| number(bytes / 1e3)));
        cells.push(added_cell(attempts, "bytes", 1e3));
        cells.push(added_cell(attempts, "packets", 1.0));
        cells.push(added_cell(attempts, "cpu_ms", 1.0));
        Some(cells)
    })
}

fn idle(results: &Results) -> Table {
    let head = ["N", "system", "bytes/s", "packets/s", "CPU ms/s", "kB resident", "kB grown"];
    let mut idle = table(results, Part::Update, &head, |attempts| {
        let of_idle = |field: &str| of(attempts, "idle", field);
        let first = of_idle("bytes_per_node_s")?;
        let others = ["packets_per_node_s", "cpu_ms_per_node_s", "rss_kb_per_node", "rss_grown_kb_per_node"];
        Some([vec![number(first)], others.iter().map(|field| cell(of_idle(field))).collect()].concat())
    });
    // The floor sends nothing while idle.
    idle.rows.retain(|row| !row[1].starts_with("floor"));
    idle
}

fn big_state(results: &Results) -> Table {
    let head = [
        "N",
        "system",
        "ms until all have all",
        "ms until all have 95 %",
        "complete",
        "MB above idle",
        "packets",
        "CPU s",
        "kB grown a node",
    ];
    table(results, Part::BigState, &head, |attempts| {
        let line = attempts.iter().find_map(|attempt| attempt.line("bigstate"))?;
        let of_state = |field: &str, unit: f64| of(attempts, "bigstate", field).map(|value| value / unit);
        let have = smallest(&all(attempts, "bigstate", "min_have")).unwrap_or_default();
        let limit = line.number("limit_s").unwrap_or_default();
        let never = || format!("not in {limit:.0} s; the last node has {:.1} %", have * 100.0);
        let times = all(attempts, "bigstate", "ms");
        let nearly = median_of(&all(attempts, "bigstate", "ms95"));
        Some(vec![
            median_of(&times).unwrap_or_else(never),
            nearly.unwrap_or_else(|| format!("not in {limit:.0} s")),
            format!("{} of {}", times.len(), attempts.len()),
            cell(of_state("bytes_above_idle", 1e6)),
            cell(of_state("packets", 1.0)),
            cell(of_state("cpu_s", 1.0)),
            cell(of_state("rss_grown_kb_per_node", 1.0)),
        ])
    })
}

fn loss(results: &Results) -> Table {
    let mut table = Table::new(&[
        "loss",
        "system",
        "updates",
        "min",
        "p10",
        "median",
        "p90",
        "worst",
        "missed",
        "fewest members listed after",
    ]);
    for percent in [10.0, 25.0] {
        for (_, system, attempts) in results.rows(Part::Loss) {
            let mut row = vec![format!("{percent:.0} %"), name(&system, &attempts)];
            match times(&attempts, percent, &[0.0, 0.1, 0.5, 0.9, 1.0]) {
                Some(cells) => {
                    let lines = updates(&attempts, percent);
                    row.extend(cells);
                    let fewest = lines.iter().filter_map(|line| line.number("min_members_after"));
                    let fewest = smallest(&fewest.collect::<Vec<_>>());
                    row.push(fewest.map_or_else(|| SEE_ROW.to_owned(), |fewest| format!("{fewest:.0}")));
                }
                None => row.push(why(&attempts)),
            }
            row.resize(table.head.len(), SEE_ROW.to_owned());
            table.rows.push(row);
        }
    }
    table
}

fn growth(results: &Results) -> Table {
    let head = [
        "N",
        "system",
        "join ms",
        "CPU ms",
        "packets",
        "kB",
        "update: median ms",
        "worst",
        "idle bytes/s",
        "kB grown",
    ];
    let only_full = "with `--full` only";
    table(results, Part::Growth, &head, |attempts| {
        let line = attempts.iter().find_map(|attempt| attempt.line("join"))?;
        let n = line.number("n")?;
        let each = |field: &str, unit: f64| cell(of(attempts, "join", field).map(|value| value / unit / n));
        let mut cells =
            vec![join_time(attempts)?, each("cpu_s", 1e-3), each("packets", 1.0), each("bytes", 1e3)];
        if results.size == Size::Quick {
            cells.extend(vec![only_full.to_owned(); 4]);
            return Some(cells);
        }
        let times = update_ms(attempts, 0.0);
        let none = || {
            attempts.iter().find_map(|one| one.why.clone()).unwrap_or_else(|| "none reached all".to_owned())
        };
        cells.push(quantile(&times, 0.5).map_or_else(none, number));
        cells.push(cell(greatest(&times)));
        cells.push(cell(of(attempts, "idle", "bytes_per_node_s")));
        cells.push(cell(of(attempts, "idle", "rss_grown_kb_per_node")));
        Some(cells)
    })
}

fn benches(results: &Results) -> Table {
    let mut table = Table::new(&["figure", "value"]);
    table.rows = results.benches.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    if table.rows.is_empty() && !results.is_partial() {
        table.rows.push(vec!["all".to_owned(), "not run".to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Measurement, measurements};
    use super::super::results::sample;
    use super::*;

    fn outcome(part: Part, n: u32, name: &str, lines: &str, why: Option<&str>) -> (Measurement, Attempt) {
        let is_row = |one: &Measurement| (one.part, one.n, one.system.name().as_str()) == (part, n, name);
        let measurement = measurements(Size::Quick).into_iter().find(is_row).expect("it is planned");
        (measurement, Attempt::parse(lines, why.map(str::to_owned)))
    }

    fn row<'a>(table: &'a Table, n: &str, name: &str) -> &'a [String] {
        table.rows.iter().find(|row| row[0] == n && row[1] == name).expect("a row")
    }

    #[test]
    fn joins_show_median_range_and_cost() {
        let line = |ms: &str| {
            format!(
                "{{\"kind\":\"join\",\"ms\":{ms},\"full_nodes\":8,\"limit_s\":15,\"bytes\":9000,\"packets\":119,\"cpu_s\":0.016}}"
            )
        };
        let outcomes = ["156", "125", "141"].map(|ms| outcome(Part::Join, 8, "gm mcast", &line(ms), None));
        let results = sample(Size::Quick, outcomes.to_vec());
        let table = join(&results);
        assert_eq!(row(&table, "8", "gm mcast")[2..], ["141 (125 to 156)", "3 of 3", "9.0", "119", "16"]);
        assert_eq!(row(&table, "8", "gm ucast")[2..4], ["not run", "-"]);
    }

    #[test]
    fn a_join_that_never_ends_says_so() {
        let line = "{\"kind\":\"join\",\"ms\":null,\"full_nodes\":3,\"limit_s\":15,\"bytes\":1,\"packets\":1,\"cpu_s\":1}";
        let results = sample(Size::Quick, vec![outcome(Part::Join, 128, "foca default", line, None)]);
        assert_eq!(
            row(&join(&results), "128", "foca default")[2..4],
            ["not in 15 s; 3 nodes list all", "0 of 1"]
        );
    }

    #[test]
    fn a_failed_program_has_its_row_with_the_reason() {
        let failed = outcome(Part::Update, 32, "gm ucast", "", Some("failed: no files"));
        let results = sample(Size::Quick, vec![failed]);
        assert_eq!(row(&update(&results), "32", "gm ucast")[2..4], ["failed: no files", "-"]);
        assert_eq!(row(&idle(&results), "32", "gm ucast")[2], "failed: no files");
        assert!(idle(&results).rows.iter().all(|row| !row[1].contains("floor")));
    }

    #[test]
    fn updates_with_loss_have_a_row_for_each_rate() {
        let lines = "{\"kind\":\"update\",\"loss\":10,\"all_ms\":[5,7],\"incomplete\":[30],\"limit_s\":3,\"min_members_after\":32}\n\
                     {\"kind\":\"update\",\"loss\":25,\"all_ms\":[],\"incomplete\":[1,2],\"limit_s\":3,\"min_members_after\":31}\n";
        let results = sample(Size::Quick, vec![outcome(Part::Loss, 32, "gm mcast", lines, None)]);
        let table = loss(&results);
        assert_eq!(row(&table, "10 %", "gm mcast")[2..], ["3", "5.0", "5.0", "5.0", "7.0", "7.0", "1", "32"]);
        let none = ["2", "no update reached all in 3 s", "-", "-", "-", "-", "2", "31"];
        assert_eq!(row(&table, "25 %", "gm mcast")[2..], none);
    }

    #[test]
    fn disturbed_rows_have_an_asterisk() {
        let (measurement, mut attempt) =
            outcome(Part::Join, 8, "gm mcast", "{\"kind\":\"join\",\"ms\":1}", None);
        attempt.note_machine("7.00 6.00 5.00".to_owned(), 0.5);
        let results = sample(Size::Quick, vec![(measurement, attempt)]);
        assert_eq!(row(&join(&results), "8", "gm mcast \\*")[2], "1.0");
        assert!(heading(&results).contains("starts of the 1 runs: 7.00 to 7.00.\nIn 1 of them"));
    }

    #[test]
    fn every_cell_of_every_table_is_filled() {
        let text = page(&sample(Size::Full, vec![]));
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(rows.len() > 100 && !rows.iter().any(|row| row.contains("|  |")), "{rows:?}");
    }
}
