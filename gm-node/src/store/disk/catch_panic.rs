//! Catches panics of the database crate. It panics on damaged files, and the error reports that, so
//! the panic itself is not printed. All other panics of the process are printed as usual.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether panics of this thread are caught and become errors.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic becomes an error with its first line.
pub(super) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // In a thread that is ending, the flag no longer exists; nothing is caught there.
            if !IS_CAUGHT.try_with(Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
    let outer = IS_CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(outer);
    done.map_err(|panic| panic_message(&*panic))
}

/// The message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // Assertions print the compared values on further lines.
    text.and_then(|text| text.lines().next()).unwrap_or("no reason was given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic)] // it is what is caught
    fn a_panic_becomes_its_first_line_and_the_mark_goes() {
        assert_eq!(catch_panic(|| 7), Ok(7));
        let nested = catch_panic(|| {
            assert_eq!(catch_panic(|| panic!("inner\nmore")), Err::<(), _>("inner".to_owned()));
            assert!(IS_CAUGHT.get());
            panic!("outer {}", 1)
        });
        assert_eq!(nested, Err::<(), _>("outer 1".to_owned()));
        assert!(!IS_CAUGHT.get());
    }
}
