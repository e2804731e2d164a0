//! What turns a camera's pixels into millimetres on the part's plane.

mod lens;

pub use lens::Lens;
