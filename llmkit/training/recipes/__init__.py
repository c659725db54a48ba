"""How each shipped checkpoint was made: `python -m llmkit.training.recipes NAME`.

A recipe trains from nothing, measures the weights as they are stored, and writes them
with their log, their scores and a datasheet. It uses every other room, so it stands
above them: nothing imports it. Home notebook: 07_pretraining_gpt.
"""
