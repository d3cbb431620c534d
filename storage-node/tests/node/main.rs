//! The storage node from outside, over a disk that misbehaves.

mod harness;
mod machine;
mod model;
