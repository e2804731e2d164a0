//! The settings of the method, in one place, with where each number comes from.

/// Side of the thumbnails that pictures are compared by.
pub(super) const THUMBNAIL_SIDE_PX: u32 = 128;
