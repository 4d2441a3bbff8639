//! nftables rules in one namespace that drop or only count packets.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::namespaces::output;

/// An nftables table with one chain.
pub(crate) struct RuleSet {
    namespace: String,
    family: &'static str,
    /// Number of matched packets at the time of removal; `None` while the rules are active.
    removed: Option<u64>,
}

const TABLE: &str = "gm";

impl RuleSet {
    /// Adds rules in family `inet` or `bridge`, at a hook, that drop packets that match one of the
    /// expressions.
    pub(crate) fn add(
        namespace: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
    ) -> Result<RuleSet> {
        RuleSet::with_verdict(namespace, family, hook, expressions, "drop")
    }

    /// The same, but the rules only count packets.
    pub(crate) fn count(
        namespace: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
    ) -> Result<RuleSet> {
        RuleSet::with_verdict(namespace, family, hook, expressions, "accept")
    }

    fn with_verdict(
        namespace: &str,
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
        nft(namespace, &[&script])?;
        Ok(RuleSet { namespace: namespace.to_owned(), family, removed: None })
    }

    /// Number of packets that matched until now.
    pub(crate) fn matched(&self) -> Result<u64> {
        if let Some(removed) = self.removed {
            return Ok(removed);
        }
        let listing = nft(&self.namespace, &["-j", "list", "table", self.family, TABLE])?;
        let listing: Value = serde_json::from_str(&listing).context("nft printed no JSON")?;
        let rules = listing["nftables"].as_array().into_iter().flatten();
        let expressions = rules.filter_map(|entry| entry["rule"]["expr"].as_array()).flatten();
        Ok(expressions.filter_map(|expression| expression["counter"]["packets"].as_u64()).sum())
    }

    /// Removes the rules. Returns the number of packets that matched.
    pub(crate) fn remove(&mut self) -> Result<u64> {
        let dropped = self.matched()?;
        if self.removed.is_none() {
            nft(&self.namespace, &["delete", "table", self.family, TABLE])?;
            self.removed = Some(dropped);
        }
        Ok(dropped)
    }
}

fn nft(namespace: &str, words: &[&str]) -> Result<String> {
    output(Command::new("ip").args(["netns", "exec", namespace, "nft"]).args(words))
}
