"""Small models of every family that `taktgate model import` knows, made by the real exporters."""
