//! Scene runner: runs scenes in parallel, since most of their time is waiting, and scenes that load
//! the machine or measure short times alone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::scene_counts::SceneCounts;

/// The share of the machine that a scene needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// It waits for timers, 20 seconds or more: it starts first.
    Long,
    /// It mostly waits: others may run at the same time.
    Shared,
    /// It uses all processors, or has an expectation of a second or less.
    Alone,
}

/// Result of a scene.
pub(crate) struct SceneResult {
    /// The lines to print, without the last newline.
    pub(crate) text: String,
    pub(crate) counts: SceneCounts,
}

/// A scene that is to run.
pub(crate) struct QueuedScene<'a> {
    pub(crate) load: Load,
    pub(crate) run: Box<dyn FnOnce() -> SceneResult + Send + 'a>,
}

/// Runs scenes that share the machine on this number of threads, the long ones first, and then the
/// others one by one. Passes each result to `report` as soon as its scene ends. Returns the sum of
/// the counts.
pub(crate) fn run_all<'a>(
    scenes: impl IntoIterator<Item = QueuedScene<'a>>,
    threads: usize,
    mut report: impl FnMut(&SceneResult),
) -> SceneCounts {
    let (mut first, mut rest, mut alone) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
    for scene in scenes {
        match scene.load {
            Load::Long => first.push_back(scene),
            Load::Shared => rest.push_back(scene),
            Load::Alone => alone.push_back(scene),
        }
    }
    first.append(&mut rest);
    let mut sum = SceneCounts::default();
    for (queue, threads) in [(first, threads.max(1)), (alone, 1)] {
        run_queue(&Mutex::new(queue), threads, &mut |result| {
            report(&result);
            sum += result.counts;
        });
    }
    sum
}

fn run_queue(queue: &Mutex<VecDeque<QueuedScene<'_>>>, threads: usize, report: &mut dyn FnMut(SceneResult)) {
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some(scene) = next(queue) {
                    // The receiver lives as long as the scope.
                    let _ = sender.send((scene.run)());
                }
            });
        }
        // Only the threads hold senders now, so the results end with them.
        drop(sender);
        results.iter().for_each(report);
    });
}

fn next<'a>(queue: &Mutex<VecDeque<QueuedScene<'a>>>) -> Option<QueuedScene<'a>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, Condvar};

    use super::*;

    fn passed(text: &str) -> SceneResult {
        SceneResult { text: text.to_owned(), counts: SceneCounts::PASSED }
    }

    #[test]
    fn shared_scenes_run_together_and_others_alone() {
        // Two shared scenes meet, so they run at the same time. The others see no scene beside
        // them.
        let (meeting, running) = (&Barrier::new(2), &AtomicUsize::new(0));
        let scene = |load| QueuedScene {
            load,
            run: Box::new(move || {
                let beside = running.fetch_add(1, Ordering::SeqCst);
                if load == Load::Shared {
                    meeting.wait();
                }
                running.fetch_sub(1, Ordering::SeqCst);
                SceneResult {
                    text: format!("{load:?} {beside}"),
                    counts: if load == Load::Shared { SceneCounts::PASSED } else { SceneCounts::FAILED },
                }
            }),
        };
        let mut texts = Vec::new();
        let scenes = [Load::Alone, Load::Shared, Load::Alone, Load::Shared].map(scene);
        let sum = run_all(scenes, 2, |result| texts.push(result.text.clone()));
        assert_eq!((sum.passed, sum.failed), (2, 2));
        texts.sort();
        assert_eq!(texts, ["Alone 0", "Alone 0", "Shared 0", "Shared 1"]);
    }

    #[test]
    fn long_scenes_start_first() {
        let names = [(Load::Alone, "alone"), (Load::Shared, "a"), (Load::Long, "long"), (Load::Shared, "b")];
        let scenes = names.map(|(load, name)| QueuedScene { load, run: Box::new(move || passed(name)) });
        let mut order = Vec::new();
        run_all(scenes, 1, |result| order.push(result.text.clone()));
        assert_eq!(order, ["long", "a", "b", "alone"]);
    }

    #[test]
    fn a_result_is_reported_when_its_scene_ends() {
        // The second scene ends only after the first was reported.
        let (reported, changed) = (Mutex::new(false), Condvar::new());
        let scenes = [
            QueuedScene { load: Load::Shared, run: Box::new(|| passed("first")) },
            QueuedScene {
                load: Load::Shared,
                run: Box::new(|| {
                    let guard = reported.lock().expect("no panic");
                    drop(changed.wait_while(guard, |reported| !*reported));
                    passed("second")
                }),
            },
        ];
        let sum = run_all(scenes, 2, |_| {
            *reported.lock().expect("no panic") = true;
            changed.notify_all();
        });
        assert_eq!(sum.passed, 2);
    }
}
