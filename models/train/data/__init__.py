"""Where pictures and truth come from: one file a kind of source, and what all of them share."""
