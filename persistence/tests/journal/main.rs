//! The journal, held to what it promises: on a storage that crashes, on one that fails, and on real files.

mod background;
mod bench;
mod crashes;
mod crashing;
mod damage;
mod faults;
mod gathering;
mod inspecting;
mod on_disk;
mod starting;
mod tailing;
