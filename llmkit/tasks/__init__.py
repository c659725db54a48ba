"""What a model is used for, and how the shipped ones were made."""
