//! taktgate: the quality gate of stamping, welding and paint stations.
//!
//! For every part that the line controller announces: frames, findings, and exactly one verdict
//! before the takt runs out. `ARCHITECTURE.md` tells the walk of one part through these rooms.
//! They stand here from the ground up: a room names only rooms that stand above it in this list
//! (`tests/tidy.rs` holds that).

pub mod domain;

pub mod config;
pub mod recipe;

pub mod calibration;
pub mod gate;

pub mod judge;

pub mod page;

pub mod vision;

pub mod model;

pub mod record;

pub mod publish;

pub mod source;

pub mod inspect;

pub mod calibrate;

pub mod teach;

pub mod evaluate;

pub mod station;

pub mod line;

pub mod web;
