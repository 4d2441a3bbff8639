//! `cargo xtask bench`: runs the benches of one crate, or of every crate that has some.

use anyhow::{Result, bail};

use crate::workspace::{Workspace, status};

/// Runs the benches with `args`. Returns whether all of them succeeded.
pub(crate) fn run(ws: &Workspace, package: Option<&str>, args: &[String]) -> Result<bool> {
    let with_benches = ws
        .members()
        .iter()
        .map(|member| {
            let benches = member.targets.iter().filter(|target| target.is_bench());
            (member.name.to_string(), benches.map(|bench| bench.name.clone()).collect())
        })
        .collect();
    for (name, benches) in chosen(with_benches, package)? {
        println!("== benches of {name}");
        let mut command = ws.cargo("bench");
        command.args(["-p", &name]);
        // Name each bench: otherwise cargo also starts the unit tests, which reject the arguments
        // of a bench.
        for bench in &benches {
            command.args(["--bench", bench]);
        }
        if !status(command.arg("--").args(args))?.success() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The crates to run with their benches: the given crate, or all crates that have benches.
fn chosen(crates: Vec<(String, Vec<String>)>, package: Option<&str>) -> Result<Vec<(String, Vec<String>)>> {
    let mut chosen = crates;
    if let Some(package) = package {
        chosen.retain(|(name, _)| name == package);
        if chosen.is_empty() {
            bail!("there is no crate named {package} in the workspace");
        }
    }
    chosen.retain(|(_, benches)| !benches.is_empty());
    match (chosen.is_empty(), package) {
        (true, Some(package)) => bail!("{package} has no benches"),
        (true, None) => bail!("no crate has benches"),
        (false, _) => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crates() -> Vec<(String, Vec<String>)> {
        vec![("a".to_owned(), vec!["join".to_owned()]), ("b".to_owned(), vec![])]
    }

    #[test]
    fn crates_without_benches_are_left_out() {
        assert_eq!(chosen(crates(), None).expect("one has benches"), crates()[..1]);
        assert_eq!(chosen(crates(), Some("a")).expect("it has benches"), crates()[..1]);
    }

    #[test]
    fn an_unknown_crate_or_one_without_benches_is_an_error() {
        assert!(chosen(crates(), Some("b")).is_err(), "no benches");
        assert!(chosen(crates(), Some("c")).is_err(), "no such crate");
        assert!(chosen(vec![], None).is_err(), "nothing to run");
    }
}
