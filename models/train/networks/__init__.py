"""The networks that can be trained here, one file each."""
