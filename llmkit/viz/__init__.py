"""Figures and browser widgets from arrays and strings; nothing here knows a model."""
