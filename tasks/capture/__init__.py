"""Capture: one visit to one URL, byte for byte."""
