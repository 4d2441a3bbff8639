//! Resources of processes: CPU time, memory, and the limit of open files.

/// CPU seconds of this process, in user mode and in the kernel.
pub fn cpu_self() -> f64 {
    // SAFETY: `rusage` is plain data for which zeros are valid, and the pointer is valid.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Raises the limit of open files to the hard limit: all nodes are in one process.
pub(crate) fn raise_open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointers are valid during the calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Resident memory of a process in kB.
pub fn rss_of(pid: &str) -> u64 {
    status_kb(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Its memory in kB with a share of what other processes have mapped too.
pub fn pss_of(pid: &str) -> u64 {
    status_kb(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn status_kb(path: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
