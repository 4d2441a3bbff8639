//! Ratios between gm and foca, and between gm and the floor, of one run.

use super::cells::{Table, greatest, median, number, smallest};
use super::measures::{added, of, update_ms};
use super::plan::{BIG_STATE, NODES, NODES_WITH_LOSS, Part, Size, System, growth_nodes, measurements};
use super::results::{Attempt, Results};

/// Measure that is compared.
struct Row {
    name: &'static str,
    part: Part,
    nodes: &'static [u32],
    value: fn(&[&Attempt]) -> Option<f64>,
    /// Whether the floor has it.
    has_floor: bool,
}

const fn row(
    name: &'static str,
    part: Part,
    nodes: &'static [u32],
    has_floor: bool,
    value: fn(&[&Attempt]) -> Option<f64>,
) -> Row {
    Row { name, part, nodes, value, has_floor }
}

const ROWS: &[Row] = &[
    row("join: time", Part::Join, &NODES, false, |runs| of(runs, "join", "ms")),
    row("join: CPU", Part::Join, &NODES, false, |runs| of_complete(runs, "cpu_s")),
    row("join: packets", Part::Join, &NODES, false, |runs| of_complete(runs, "packets")),
    row("join: bytes", Part::Join, &NODES, false, |runs| of_complete(runs, "bytes")),
    row("update: median", Part::Update, &NODES, true, |runs| median(&update_ms(runs, 0.0))),
    row("update: worst", Part::Update, &NODES, true, |runs| greatest(&update_ms(runs, 0.0))),
    row("update: one node, p50", Part::Update, &NODES, true, |runs| of(runs, "update", "node_p50")),
    row("update: bytes until all have it", Part::Update, &NODES, true, |runs| {
        of(runs, "update", "bytes_until_all_med")
    }),
    row("update: bytes added", Part::Update, &NODES, true, |runs| positive(added(runs, "bytes")?.value)),
    row("idle: bytes", Part::Update, &NODES, false, |runs| of(runs, "idle", "bytes_per_node_s")),
    row("idle: CPU", Part::Update, &NODES, false, |runs| of(runs, "idle", "cpu_ms_per_node_s")),
    row("memory grown", Part::Update, &NODES, false, |runs| of(runs, "idle", "rss_grown_kb_per_node")),
    row("big state: time", Part::BigState, &[BIG_STATE.0], false, |runs| of(runs, "bigstate", "ms")),
    row("big state: bytes", Part::BigState, &[BIG_STATE.0], false, |runs| {
        of(runs, "bigstate", "bytes_above_idle")
    }),
    row("10 % loss: worst", Part::Loss, &[NODES_WITH_LOSS], false, |runs| greatest(&update_ms(runs, 10.0))),
    row("25 % loss: worst", Part::Loss, &[NODES_WITH_LOSS], false, |runs| greatest(&update_ms(runs, 25.0))),
    row("growth: time", Part::Growth, growth_nodes(Size::Full), false, |runs| of(runs, "join", "ms")),
    row("growth: CPU", Part::Growth, growth_nodes(Size::Full), false, |runs| of_complete(runs, "cpu_s")),
];

/// Cost of the joins that were complete; at a limit it would be that of a part.
fn of_complete(runs: &[&Attempt], field: &str) -> Option<f64> {
    let is_complete = |run: &Attempt| run.line("join").is_some_and(|line| line.number("ms").is_some());
    let complete: Vec<&Attempt> = runs.iter().copied().filter(|run| is_complete(run)).collect();
    of(&complete, "join", field)
}

fn positive(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}

/// The table of ratios.
pub(crate) fn table(results: &Results) -> Table {
    let mut table = Table::new(&[
        "measure",
        "N",
        "gm mcast / foca",
        "gm ucast / foca",
        "gm mcast / floor",
        "gm ucast / floor",
    ]);
    for row in ROWS {
        for &n in row.nodes {
            let value =
                |peer: &str, cfg: &str| (row.value)(&results.attempts(row.part, n, &System::new(peer, cfg)));
            let foca: Vec<f64> = ["eager10", "default"].iter().filter_map(|cfg| value("foca", cfg)).collect();
            let against_foca = |cfg: &str| ratio(value("gm", cfg), smallest(&foca), "foca");
            let against_floor = |cfg: &str| match row.has_floor {
                true => ratio(value("gm", cfg), value("floor", cfg), "the floor"),
                false => "no floor".to_owned(),
            };
            let is_in = |size| measurements(size).iter().any(|one| (one.part, one.n) == (row.part, n));
            let cells = match is_in(results.size) {
                true => [
                    against_foca("mcast"),
                    against_foca("ucast"),
                    against_floor("mcast"),
                    against_floor("ucast"),
                ],
                false => std::array::from_fn(|_| "with `--full` only".to_owned()),
            };
            let has_number = cells.iter().any(|cell| cell.starts_with(|first: char| first.is_ascii_digit()));
            if results.is_partial() && !has_number {
                continue;
            }
            table.rows.push([vec![row.name.to_owned(), n.to_string()], cells.to_vec()].concat());
        }
    }
    table
}

/// The ratio, or which of the two has no number.
fn ratio(ours: Option<f64>, theirs: Option<f64>, name: &str) -> String {
    match (ours, theirs) {
        (None, _) => "gm has no number".to_owned(),
        (_, None) => format!("{name} has no number"),
        (Some(_), Some(theirs)) if theirs <= 0.0 => format!("{name} has 0"),
        (Some(ours), Some(theirs)) => number(ours / theirs),
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::sample;
    use super::*;

    #[test]
    fn gm_is_compared_with_the_better_configuration() {
        let planned = measurements(Size::Quick);
        let outcome = |name: &str, ms: u32| {
            let join =
                planned.iter().find(|one| one.part == Part::Join && one.n == 8 && one.system.name() == name);
            let line = format!("{{\"kind\":\"join\",\"ms\":{ms}}}");
            (join.expect("it is planned").clone(), Attempt::parse(&line, None))
        };
        let results = sample(
            Size::Quick,
            vec![outcome("gm mcast", 30), outcome("foca eager10", 20), outcome("foca default", 60)],
        );
        let rows = table(&results).rows;
        let first = ["join: time", "8", "1.5", "gm has no number", "no floor", "no floor"];
        assert_eq!(rows[0], first);
        assert_eq!(rows[1][2], "gm has no number");
        assert!(rows.iter().any(|row| row[1] == "256" && row[2] == "with `--full` only"));
    }

    #[test]
    fn joins_that_were_not_complete_have_no_cost() {
        let run =
            |ms: &str| Attempt::parse(&format!("{{\"kind\":\"join\",\"ms\":{ms},\"packets\":7}}"), None);
        let (complete, partial) = (run("5"), run("null"));
        assert_eq!(of_complete(&[&complete, &partial], "packets"), Some(7.0));
        assert_eq!(of_complete(&[&partial], "packets"), None);
    }

    #[test]
    fn a_ratio_without_a_number_says_whose_is_missing() {
        assert_eq!(ratio(Some(3.0), Some(2.0), "foca"), "1.5");
        assert_eq!(ratio(Some(3.0), None, "foca"), "foca has no number");
        assert_eq!(ratio(None, None, "foca"), "gm has no number");
        assert_eq!(ratio(Some(3.0), Some(0.0), "the floor"), "the floor has 0");
    }
}
