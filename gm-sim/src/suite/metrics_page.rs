//! Pages of metrics: tables that a suite computes from fixed seeds, which are committed and
//! compared. Results are deterministic, so a changed number means a changed protocol.

#![allow(clippy::print_stdout, reason = "a command line tool prints to standard output")]

use std::fs;
use std::path::PathBuf;

/// A page of metrics.
#[derive(Debug)]
pub struct MetricsPage {
    /// The committed file.
    pub file: PathBuf,
    /// Text before the compared tables.
    pub head: &'static str,
    /// Text between the compared tables and those of large clusters.
    pub large_head: &'static str,
    /// The compared tables as Markdown.
    pub tables: fn() -> String,
    /// The tables of large clusters, which take minutes and are not compared.
    pub large_tables: fn() -> String,
    /// Measurements that are only printed, such as the speed of the simulator.
    pub speed: fn() -> String,
}

impl MetricsPage {
    /// Compares the tables with the committed ones, and prints the first difference; true if there
    /// is none.
    pub(super) fn check(&self) -> bool {
        let text = self.compared();
        let committed = self.committed();
        let before = committed.split_once(self.large_head).map_or(committed.as_str(), |(before, _)| before);
        if let Some((before, now)) = before.lines().zip(text.lines()).find(|(before, now)| before != now) {
            println!("\ncommitted: {before}\nnow:       {now}");
        }
        if before != text {
            println!(
                "The tables differ from {}: run without --check, and review the difference.",
                self.file.display()
            );
        }
        before == text
    }

    /// Prints and writes the compared tables; those of large clusters stay as they are. True if the
    /// file was written.
    pub(super) fn update(&self) -> bool {
        let text = self.compared();
        print!("{text}{}", (self.speed)());
        let committed = self.committed();
        let large = committed.split_once(self.large_head).map_or("", |(_, large)| large);
        self.write(&format!("{text}{}{large}", self.large_head))
    }

    /// Prints and writes the tables of large clusters; the compared ones stay as they are. True if
    /// the file was written.
    pub(super) fn update_large(&self) -> bool {
        let large = (self.large_tables)();
        print!("{large}");
        let committed = self.committed();
        let before = committed.split_once(self.large_head).map_or(committed.as_str(), |(before, _)| before);
        self.write(&format!("{before}{}{large}", self.large_head))
    }

    fn compared(&self) -> String {
        format!("{}{}", self.head, (self.tables)())
    }

    /// The committed page, empty if there is none.
    fn committed(&self) -> String {
        fs::read_to_string(&self.file).unwrap_or_default()
    }

    fn write(&self, text: &str) -> bool {
        let written = fs::write(&self.file, text);
        if let Err(error) = &written {
            println!("cannot write {}: {error}", self.file.display());
        }
        written.is_ok()
    }
}
