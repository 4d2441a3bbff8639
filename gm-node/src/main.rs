//! The program `gm-node`: the daemon, the command line, the demo. Knows nothing that the library does not say.

fn main() {}
