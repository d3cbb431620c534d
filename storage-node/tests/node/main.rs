//! The storage node from outside, on disks and stores that fail.

mod crash;
mod history;
mod mutants;
mod power;
mod work;
