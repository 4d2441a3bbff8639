//! Rules of nftables in one namespace that drop, or only count. Knows no scene.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::namespaces::output;

/// One table of ours, with one chain.
pub(super) struct RuleSet {
    space: String,
    family: &'static str,
    /// What they had dropped when they were lifted.
    lifted: Option<u64>,
}

const TABLE: &str = "gm";

impl RuleSet {
    /// In family `inet` or `bridge`, at a hook: what matches one of the expressions is dropped.
    pub(super) fn add(
        space: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
    ) -> Result<RuleSet> {
        RuleSet::with_verdict(space, family, hook, expressions, "drop")
    }

    /// The same, and what matches is only counted.
    pub(super) fn count(
        space: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
    ) -> Result<RuleSet> {
        RuleSet::with_verdict(space, family, hook, expressions, "accept")
    }

    fn with_verdict(
        space: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
        verdict: &str,
    ) -> Result<RuleSet> {
        let mut script =
            format!("table {family} {TABLE} {{ chain {hook} {{ type filter hook {hook} priority 0;\n");
        for expression in expressions {
            script.push_str(&format!("{expression} counter {verdict}\n"));
        }
        script.push_str("}\n}\n");
        nft(space, &[&script])?;
        Ok(RuleSet { space: space.to_owned(), family, lifted: None })
    }

    /// Packets that matched until now.
    pub(super) fn matched(&self) -> Result<u64> {
        if let Some(lifted) = self.lifted {
            return Ok(lifted);
        }
        let said = nft(&self.space, &["-j", "list", "table", self.family, TABLE])?;
        let said: Value = serde_json::from_str(&said).context("nft does not speak JSON")?;
        let rules = said["nftables"].as_array().into_iter().flatten();
        let expressions = rules.filter_map(|entry| entry["rule"]["expr"].as_array()).flatten();
        Ok(expressions.filter_map(|expression| expression["counter"]["packets"].as_u64()).sum())
    }

    /// Takes them away; what they dropped.
    pub(super) fn remove(&mut self) -> Result<u64> {
        let dropped = self.matched()?;
        if self.lifted.is_none() {
            nft(&self.space, &["delete", "table", self.family, TABLE])?;
            self.lifted = Some(dropped);
        }
        Ok(dropped)
    }
}

fn nft(space: &str, words: &[&str]) -> Result<String> {
    output(Command::new("ip").args(["netns", "exec", space, "nft"]).args(words))
}
