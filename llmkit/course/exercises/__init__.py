"""The exercises of the course, one file for each topic, found by their file name.

Each file holds a list `EXERCISES`. The README one folder up says how to add one.
"""
