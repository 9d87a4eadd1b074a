"""Vendor formats to values and back; shape only, nothing is verified here."""
