//! Node of a broadcast scene: a process of the example `chat` in a namespace, controlled by lines
//! on its standard input and output.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::namespaces::{Host, Process};
use crate::process_log::ProcessLog;
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

pub(crate) struct ChatProcess {
    child: Child,
    input: ChildStdin,
    lines: ProcessLog,
    /// NetId that the node reports.
    pub(crate) me: String,
}

impl ChatProcess {
    /// Starts the process and waits until it prints its NetId.
    pub(crate) fn start(chat: &Path, key: &Path, host: &Host, flags: &[&str]) -> Result<ChatProcess> {
        let mut command = Command::new("ip");
        // `ip` execs the program, so the process id is the program's.
        command.args(["netns", "exec", &host.namespace]).arg(chat).args([
            "--cluster",
            "net",
            "--script",
            "--key-file",
        ]);
        command.arg(key).args(flags).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start a node")?;
        let lines = ProcessLog::default();
        lines.read_from(child.stdout.take(), "");
        lines.read_from(child.stderr.take(), "! ");
        let input = child.stdin.take().context("a node has no standard input")?;
        let mut node = ChatProcess { child, input, lines, me: host.ip.to_string() };
        let hello = node
            .wait_line(|line| line.starts_with("/i-am "))
            .with_context(|| format!("the node {} does not start: {}", host.ip, node.last(5).join(" | ")))?;
        node.me = hello.split(' ').nth(1).unwrap_or_default().to_owned();
        Ok(node)
    }

    /// Writes a line to the standard input of the node.
    pub(crate) fn send_line(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")
            .and_then(|()| self.input.flush())
            .with_context(|| format!("{} is gone", self.me))
    }

    /// Sends a command and waits for the answer. Returns the answer without the repeated command.
    pub(crate) fn query(&mut self, question: &str) -> Result<String> {
        let before = self.answers(question).len();
        self.send_line(question)?;
        wait_for(&format!("{} to answer {question}", self.me), DEFAULT_TIMEOUT, || {
            Ok(self.answers(question).len() > before)
        })?;
        self.answers(question).pop().context("it answered")
    }

    fn answers(&self, question: &str) -> Vec<String> {
        let answer = |line: &String| Some(line.strip_prefix(question)?.trim().to_owned());
        self.all().iter().filter_map(|(_, line)| answer(line)).collect()
    }

    /// The NetIds in the answer to a command.
    pub(crate) fn query_list(&mut self, question: &str) -> Result<Vec<String>> {
        Ok(self.query(question)?.split_whitespace().map(ToOwned::to_owned).collect())
    }

    /// Counters of the node's machine and runtime, by `name` or `name{reason=REASON}`.
    pub(crate) fn counters(&mut self) -> Result<BTreeMap<String, u64>> {
        let counters = self.query("/counters")?;
        let pairs = counters.split("; ").filter_map(|pair| pair.rsplit_once('='));
        Ok(pairs.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect())
    }

    pub(crate) fn count(&mut self, name: &str) -> Result<u64> {
        Ok(self.counters()?.get(name).copied().unwrap_or_default())
    }

    /// Time when the node first received a text.
    pub(crate) fn received_at(&self, text: &str) -> Option<Instant> {
        self.all().iter().find(|(_, line)| is_receipt_of(line, text)).map(|(at, _)| *at)
    }

    /// Number of times that the node received a text.
    pub(crate) fn times_received(&self, text: &str) -> usize {
        self.all().iter().filter(|(_, line)| is_receipt_of(line, text)).count()
    }

    /// Number of targets that acknowledged the broadcast with this tag, once its report is settled.
    pub(crate) fn settled_acks(&self, tag: usize) -> Option<u64> {
        self.all().iter().find_map(|(_, line)| settled_acks(line, tag))
    }

    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        if !done.context("cannot start kill")?.success() {
            bail!("{} cannot be sent {signal}", self.me);
        }
        Ok(())
    }

    /// Resident memory of the node in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        memory_of(&self.child)
    }

    fn wait_line(&self, is_it: impl Fn(&str) -> bool) -> Result<String> {
        let found = || self.all().iter().map(|(_, line)| line.clone()).find(|line| is_it(line));
        wait_for("a line", Duration::from_secs(10), || Ok(found().is_some()))?;
        found().context("it was there")
    }

    fn all(&self) -> Vec<(Instant, String)> {
        self.lines.all()
    }
}

/// The number of acks in an output line that is the settled report of the broadcast with this tag.
fn settled_acks(line: &str, tag: usize) -> Option<u64> {
    let report = line.strip_prefix("/acks ")?.strip_suffix(" settled")?;
    let (of, counts) = report.split_once(" delivered=")?;
    (of == tag.to_string()).then(|| counts.split(' ').next()?.parse().ok()).flatten()
}

/// Whether an output line reports the receipt of a broadcast with this text.
fn is_receipt_of(line: &str, text: &str) -> bool {
    !line.starts_with(['/', '!']) && line.split_once(' ').is_some_and(|(_, received)| received == text)
}

impl Process for ChatProcess {
    fn name(&self) -> &str {
        &self.me
    }

    fn last(&self, count: usize) -> Vec<String> {
        self.lines.last(count)
    }
}

/// Resident memory of a process in bytes.
pub(crate) fn memory_of(child: &Child) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

impl Drop for ChatProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_settled_report_of_a_tag_counts() {
        assert_eq!(settled_acks("/acks 4 delivered=3 missing=1 unknown=0 settled", 4), Some(3));
        assert_eq!(settled_acks("/acks 4 delivered=3 missing=0 unknown=1", 4), None);
        assert_eq!(settled_acks("/acks 14 delivered=3 missing=0 unknown=1 settled", 4), None);
    }

    #[test]
    fn receipts_differ_from_answers_and_errors() {
        assert!(is_receipt_of("10.77.0.1:29999 hello there", "hello there"));
        assert!(!is_receipt_of("10.77.0.1:29999 hello there", "hello"));
        assert!(!is_receipt_of("/peers hello", "hello"));
        assert!(!is_receipt_of("! hello", "hello"));
    }
}
