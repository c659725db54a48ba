"""llmkit: a course and a laboratory for language models.

Importing this package does nothing but make its rooms reachable:
`from llmkit.nn import attention`, `from llmkit.models import GPT`, and so on.
The README holds a map of the rooms and the order of the notebooks.
"""

__version__ = "0.1.0"
